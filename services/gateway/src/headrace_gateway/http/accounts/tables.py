"""All routes of the account side, by the tag that the API's description shows them under."""

from types import MappingProxyType

from headrace_gateway.http.accounts import accounts, keys, oauth_clients, sessions

TABLES = MappingProxyType(
    {
        "auth": (*sessions.ROUTES, *accounts.ROUTES),
        "keys": keys.ROUTES,
        "oauth-clients": oauth_clients.ROUTES,
    }
)
