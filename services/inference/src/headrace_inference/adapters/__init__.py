"""The engines (llama.cpp, transformers, a remote server, echo for tests) and who signs answers."""
