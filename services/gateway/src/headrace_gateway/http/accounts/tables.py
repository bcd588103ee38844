"""All routes of the account side, by the tag that the API's description shows them under."""

from types import MappingProxyType

from headrace_gateway.http.accounts import (
    accounts,
    identities,
    keys,
    limits,
    oauth_clients,
    organizations,
    platform,
    sessions,
    users,
)

TABLES = MappingProxyType(
    {
        "auth": (*sessions.ROUTES, *accounts.ROUTES, *identities.ROUTES),
        "keys": keys.ROUTES,
        "oauth-clients": oauth_clients.ROUTES,
        "orgs": organizations.ORGANIZATIONS,
        "teams": organizations.TEAMS,
        "users": users.USERS,
        "invitations": users.INVITATIONS,
        "roles": organizations.ROLES,
        "limits": limits.LIMITS,
        "budgets": limits.BUDGETS,
        "prices": limits.PRICES,
        "signing-keys": platform.SIGNING_KEYS,
    }
)
