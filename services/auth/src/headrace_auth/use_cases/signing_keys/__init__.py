"""The keys that sign access tokens: rotated, and shown to those who run the installation."""
