"""Where events are kept: PostgreSQL, or memory."""
