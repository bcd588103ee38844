"""Third-party applications: registered, authorized by people, given tokens."""
