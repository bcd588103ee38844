"""`headrace keys`: API keys."""

from headrace_cli.rows import Command, Input
from headrace_cli.values import budget, each_or_none, moment, or_none, seconds, whole

KEY = Input("api_key_id", "As `keys list` shows it.")
LIFT = " `none` lifts it."
AT = "/api/v1/keys/{api_key_id}"
RATES = (
    ("requests_per_minute", "--requests-per-minute", "Rate of its own."),
    ("tokens_per_minute", "--tokens-per-minute", "Rate of its own."),
    ("concurrent_requests", "--concurrent-requests", "Requests at the same time."),
)
EXPIRY = "A time (ISO 8601) or a duration from now, such as 90d."
BUDGET = 'For example "250 EUR month"; a time zone may follow.'
SCOPE = "May be given several times; if not given, llm:invoke and models:read."
MODEL = "Public model id, several times for several; all if not given."
NETWORK = "CIDR, several times for several; everywhere if not given."

NEW = (
    Input("name", "For people."),
    Input("scopes", SCOPE, "--scope", many=True),
    Input("allowed_models", MODEL, "--model", many=True),
    Input("allowed_networks", NETWORK, "--network", many=True),
    Input("expires_at", EXPIRY, "--expires-at", moment),
    *(Input(name, about, option, whole) for name, option, about in RATES),
    Input("budget", BUDGET, "--budget", budget),
    Input("user_id", "A service account that it acts as.", "--service-account"),
)
CHANGES = (
    KEY,
    Input("name", "For people.", "--name"),
    Input("scopes", "All of its scopes from now on.", "--scope", many=True),
    Input("allowed_models", "All of them." + LIFT, "--model", each_or_none, many=True),
    Input("allowed_networks", "All of them." + LIFT, "--network", each_or_none, many=True),
    Input("expires_at", EXPIRY + LIFT, "--expires-at", or_none(moment)),
    *(Input(name, about + LIFT, option, or_none(whole)) for name, option, about in RATES),
    Input("budget", BUDGET + LIFT, "--budget", or_none(budget)),
)
OVERLAP = Input(
    "overlap_seconds", "How long the present secret works on: 0s to 7d.", "--overlap", seconds
)

COMMANDS = (
    Command(
        "create",
        "POST",
        "/api/v1/keys",
        "Make an API key; its secret is shown once, on standard output.",
        NEW,
        done="made",
    ),
    Command(
        "list",
        "GET",
        "/api/v1/keys",
        "List the organization's API keys, newest first.",
        columns=("id", "name", "scopes", "created_at", "state"),
    ),
    Command("show", "GET", AT, "Show one API key.", (KEY,)),
    Command(
        "update", "PATCH", AT, "Change what a key may do.", CHANGES, done="changed", present=AT
    ),
    Command(
        "rotate",
        "POST",
        f"{AT}/rotate",
        "Give a key a new secret; without --overlap the present one works on for 24 hours.",
        (KEY, OVERLAP),
        done="has a new secret",
        present=AT,
    ),
    Command(
        "revoke", "DELETE", AT, "Revoke a key for good.", (KEY,), done="is revoked", present=AT
    ),
)
