"""Logins through identity providers, and identities linked to accounts."""
