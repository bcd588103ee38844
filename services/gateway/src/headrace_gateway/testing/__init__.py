"""What tests of the gateway share: a whole gateway in memory, and suites for its ports."""
