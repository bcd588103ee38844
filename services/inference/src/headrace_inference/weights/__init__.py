"""Model files: where they come from, how they are re-encoded, how they are identified."""
