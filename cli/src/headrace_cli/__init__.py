"""The `headrace` command: a client of the public API, nothing more."""
