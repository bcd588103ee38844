"""People's own accounts: registered, verified, their passwords and second factors."""
