"""Organisations, teams, members and invitations."""
