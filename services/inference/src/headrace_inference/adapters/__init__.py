"""The engines: llama.cpp for real models, echo for tests."""
