"""What auth does for its callers: resolve, log in, manage keys, start; each over ports."""
