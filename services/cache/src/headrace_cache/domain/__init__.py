"""What an entry is, how it is named, and the rules for keeping it; plain Python."""
