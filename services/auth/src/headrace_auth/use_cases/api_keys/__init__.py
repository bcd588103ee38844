"""API keys and signing credentials: made, changed, revoked, and their use counted."""
