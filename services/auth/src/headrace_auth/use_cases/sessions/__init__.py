"""Sessions and their refresh tokens: opened, gone on with, ended."""
