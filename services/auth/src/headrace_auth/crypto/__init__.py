"""Cryptography behind small modules: signing keys, access tokens, sealing and passwords."""
