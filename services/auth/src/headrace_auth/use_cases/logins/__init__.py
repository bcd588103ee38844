"""Proving who one is: passwords, second factors, and what slows down guessing."""
