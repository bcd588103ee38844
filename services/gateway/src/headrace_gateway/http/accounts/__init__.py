"""The account side of the native API: one table of routes and their bodies per area."""
