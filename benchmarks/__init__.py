"""Measured runs against peers and limits; README.md has the figures."""
