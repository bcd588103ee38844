"""llama.cpp in this process: text by `engine.py`, vectors by `embeddings.py`."""
