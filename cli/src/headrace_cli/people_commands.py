"""`headrace users`, `service-accounts`, `invitations`, `teams`, `orgs`, `roles`."""

from headrace_cli.rows import Command, Input
from headrace_cli.values import or_none

USER = Input("user_id", "As `users list` shows it.")
TEAM = Input("team_id", "As `teams list` shows it.")
IN_TEAM = Input("team_id", "The team's id.", "--team")
ORGANIZATION = Input("organization_id", "As `orgs list` shows it.")
INVITATION = Input("invitation_id", "As `invitations list` shows it.")
NAME = Input("name", "For people.")
ROLE = Input("role", "owner, admin, member or auditor.")
INVITED = (
    Input("email", "Whom to invite."),
    Input("role", ROLE.help, "--role", required=True),
    IN_TEAM,
    Input("organization_id", "Another one, for who runs this installation.", "--organization"),
)
USERS, TEAMS, ORGS, INVITES = (
    f"/api/v1/{each}" for each in ("users", "teams", "orgs", "invitations")
)
AT_USER, AT_TEAM = f"{USERS}/{{user_id}}", f"{TEAMS}/{{team_id}}"
AT_ORG, AT_INVITE = f"{ORGS}/{{organization_id}}", f"{INVITES}/{{invitation_id}}"
TO_TEAM = Input("team_id", "The team's id, or `none`.", parse=or_none(str))


def _on_user(name: str, method: str, path: str, about: str, done: str, *more: Input) -> Command:
    inputs = (USER, *more)
    return Command(name, method, AT_USER + path, about, inputs, done=done, present=AT_USER)


USER_COMMANDS = (
    Command(
        "list",
        "GET",
        USERS,
        "List the organization's users, the last who joined first.",
        columns=("id", "email", "name", "role", "state"),
    ),
    Command("show", "GET", AT_USER, "Show one user.", (USER,)),
    Command("invite", "POST", INVITES, "Invite somebody by mail.", INVITED, done="is invited"),
    _on_user("set-role", "PATCH", "", "Give a user another role.", "has another role", ROLE),
    _on_user("set-team", "PATCH", "", "Move a user to a team.", "is moved", TO_TEAM),
    _on_user(
        "remove", "DELETE", "", "Remove a user with its sessions and keys here.", "is removed"
    ),
    _on_user(
        "end-sessions", "DELETE", "/sessions", "Log a user out everywhere.", "sessions are ended"
    ),
    _on_user("disable", "POST", "/disable", "Bar a user from all organizations.", "is barred"),
    _on_user("enable", "POST", "/enable", "Let a barred user in again.", "is let in again"),
)
SERVICE_ACCOUNT_COMMANDS = (
    Command(
        "create",
        "POST",
        "/api/v1/service-accounts",
        "Make a user that is a program.",
        (NAME, IN_TEAM),
        done="made",
    ),
)
INVITATION_COMMANDS = (
    Command(
        "list",
        "GET",
        INVITES,
        "List the organization's invitations, newest first.",
        columns=("id", "email", "role", "state"),
    ),
    Command(
        "revoke",
        "DELETE",
        AT_INVITE,
        "Take an invitation back.",
        (INVITATION,),
        done="is revoked",
        present=INVITES,
    ),
)
TEAM_COMMANDS = (
    Command(
        "list",
        "GET",
        TEAMS,
        "List the organization's teams, newest first.",
        columns=("id", "name", "created_at"),
    ),
    Command("create", "POST", TEAMS, "Make a team.", (NAME,), done="made"),
    Command(
        "rename", "PATCH", AT_TEAM, "Rename a team.", (TEAM, NAME), done="renamed", present=TEAMS
    ),
    Command(
        "delete",
        "DELETE",
        AT_TEAM,
        "Delete a team that nobody is in, with its limits and budgets.",
        (TEAM,),
        done="is deleted",
        present=TEAMS,
    ),
)
ORG_COMMANDS = (
    Command(
        "list",
        "GET",
        ORGS,
        "List the organizations that you are in, or all.",
        (Input("all", "For who runs this installation.", "--all", flag=True),),
        columns=("id", "name", "tier", "created_at"),
    ),
    Command(
        "create",
        "POST",
        ORGS,
        "Make an organization, and invite its first owner.",
        (NAME, Input("owner_email", "Whom to invite.", "--owner-email")),
        done="made",
    ),
    Command("show", "GET", AT_ORG, "Show your organization.", (ORGANIZATION,)),
    Command(
        "rename",
        "PATCH",
        AT_ORG,
        "Rename your organization.",
        (ORGANIZATION, NAME),
        done="renamed",
        present=AT_ORG,
    ),
    Command(
        "set-tier",
        "PUT",
        f"{AT_ORG}/tier",
        "Give an organization a tier, for who runs this installation.",
        (ORGANIZATION, Input("tier", "free, standard or premium.")),
        done="has that tier",
        present=ORGS,
        listed_by={"all": True},
    ),
)
ROLES = Command(
    "roles",
    "GET",
    "/api/v1/roles",
    "See what each role may do.",
    columns=("role", "grantable_roles", "scopes"),
)
