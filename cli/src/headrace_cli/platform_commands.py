"""`headrace oauth-clients` and `signing-keys`: applications, and what signs access tokens."""

from headrace_cli.rows import Command, Input

CLIENTS, SIGNING = "/api/v1/oauth-clients", "/api/v1/signing-keys"
CLIENT = Input("client_id", "As `oauth-clients list` shows it.")
GRANTS = "authorization_code, refresh_token or client_credentials; several times for several."
NEW_CLIENT = (
    Input("name", "The consent page shows it."),
    Input("redirect_uris", "Compared exactly.", "--redirect-uri", many=True),
    Input("grant_types", GRANTS, "--grant-type", many=True, required=True),
    Input("scopes", "The most that its tokens may do.", "--scope", many=True, required=True),
    Input("public", "It can keep no secret.", "--public", flag=True),
    Input("service_user_id", "Whom client_credentials acts as.", "--service-account"),
)
WITHDRAW = "The others end in three minutes, with their tokens: people log in again."

OAUTH_CLIENT_COMMANDS = (
    Command("create", "POST", CLIENTS, "Register an application.", NEW_CLIENT, done="made"),
    Command(
        "list",
        "GET",
        CLIENTS,
        "List the organization's applications, newest first.",
        columns=("id", "name", "grant_types", "scopes", "state"),
    ),
    Command(
        "rotate-secret",
        "POST",
        f"{CLIENTS}/{{client_id}}/rotate",
        "Replace an application's secret at once.",
        (CLIENT,),
        done="has a new secret",
        present=CLIENTS,
        empty_body=True,
    ),
    Command(
        "revoke",
        "DELETE",
        f"{CLIENTS}/{{client_id}}",
        "Revoke an application for good, with all of its tokens.",
        (CLIENT,),
        done="is revoked",
        present=CLIENTS,
    ),
)
SIGNING_KEY_COMMANDS = (
    Command(
        "list",
        "GET",
        SIGNING,
        "List the keys that sign access tokens.",
        columns=("kid", "activates_at", "retires_at", "signing"),
    ),
    Command(
        "rotate",
        "POST",
        f"{SIGNING}/rotate",
        "Make the next key, which begins to sign after its lead.",
        (Input("withdraw", WITHDRAW, "--withdraw", flag=True),),
        done="is the next key",
    ),
)
