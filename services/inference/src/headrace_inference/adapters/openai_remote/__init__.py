"""A remote server that speaks OpenAI's API."""
