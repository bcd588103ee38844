"""Organisations, teams, members, invitations, and the accounts that administrators make or bar."""
