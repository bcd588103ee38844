"""The auth service: knows who may do what."""
