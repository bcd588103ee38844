"""The whole of Headrace on one machine: a supervisor for its services and everything they need."""
