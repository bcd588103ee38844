"""The inference service: runs one model behind one batching engine and streams tokens."""
