"""The gateway's ways to the other services, Redis and its own disk."""
