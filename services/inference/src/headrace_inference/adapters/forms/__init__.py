"""Forms of answers: what they are as grammars, and whether they can be compiled and are kept."""
