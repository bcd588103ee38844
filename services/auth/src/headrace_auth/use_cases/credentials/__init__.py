"""From what a request carries to the principal behind it."""
