"""The engines: llama.cpp for real models, a remote server for large ones, echo for tests."""
