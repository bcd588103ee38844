"""What auth does: resolve, log in, manage keys, rotate signing keys, start; each over ports."""
