"""Limits, budgets and prices: kept as data, counted by admission."""
