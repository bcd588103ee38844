"""What auth knows and decides, in plain Python: no I/O, time and randomness passed in."""
