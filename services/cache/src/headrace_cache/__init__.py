"""The cache service: answers a request that it has seen before, never across organisations."""
