"""Adapters to whoever vouches for people: OpenID Connect providers and GitHub."""
