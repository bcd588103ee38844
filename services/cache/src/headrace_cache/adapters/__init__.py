"""Where entries are kept: Redis, or memory."""
