"""The tables of schema `auth` as this release reads and writes them; migrations make them."""

from headrace_auth.adapters.postgres.tables.announcements import outbox_events, revocations
from headrace_auth.adapters.postgres.tables.base import SCHEMA, metadata
from headrace_auth.adapters.postgres.tables.consumption import budgets, limits, price_tables
from headrace_auth.adapters.postgres.tables.credentials import (
    api_key_uses,
    api_keys,
    authorization_codes,
    authorization_requests,
    key_use_batches,
    oauth_clients,
    signing_keys,
)
from headrace_auth.adapters.postgres.tables.directory import (
    invitations,
    linked_identities,
    memberships,
    organizations,
    teams,
    users,
)
from headrace_auth.adapters.postgres.tables.sessions import (
    login_failures,
    one_time_tokens,
    recovery_codes,
    refresh_tokens,
    second_factors,
    sessions,
)

__all__ = [
    "SCHEMA",
    "api_key_uses",
    "api_keys",
    "authorization_codes",
    "authorization_requests",
    "budgets",
    "invitations",
    "key_use_batches",
    "limits",
    "linked_identities",
    "login_failures",
    "memberships",
    "metadata",
    "oauth_clients",
    "one_time_tokens",
    "organizations",
    "outbox_events",
    "price_tables",
    "recovery_codes",
    "refresh_tokens",
    "revocations",
    "second_factors",
    "sessions",
    "signing_keys",
    "teams",
    "users",
]
