"""Where mail goes: a folder, an SMTP server, or memory."""
