"""Headrace as an OAuth 2.0 authorization server for third-party applications, over ports.

`server.OAuthServer` is the way in. Behind it:

- `authorization`: the browser's half, pure code of our own. Authlib's checks the response type
  before the client, and builds error texts out of input that it then refuses to send.
- `grants`, `token_endpoints`, `authlib_server`: the client's half, Authlib's state machine. Looking
  up and using up are one step of a port, and clients are authenticated by `client_authentication`,
  because Authlib's answers tell unknown clients from wrong secrets.
- `bridge`: Authlib is synchronous; it runs in a few threads and never on the event loop.
- `ports`: what it needs from outside; `use_cases/oauth/store.py` has all of it over any store,
  and `testing/oauth_suites.py` is what it must pass over each.
"""
