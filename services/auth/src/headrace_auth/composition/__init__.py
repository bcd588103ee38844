"""Puts the service together, area by area; with `app.py` the only place that constructs."""
