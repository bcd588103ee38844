"""What is asked, which rules it must keep, what is answered, and who waits; plain Python."""
