"""The audit service: keeps what happened, each event once."""
