"""What an event is, which events are accepted, and recording them; plain Python."""
