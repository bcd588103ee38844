"""What a request, a principal, an answer and a guard rule are; plain Python."""
