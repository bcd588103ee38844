"""Where auth keeps things and whom it tells: PostgreSQL and Redis, or memory."""
