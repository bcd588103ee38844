"""`/api/v1/orgs`, `/teams` and `/roles`: what an organisation is made of."""

from headrace_gateway.http.account_routes import AccountRoute, record, records
from headrace_gateway.http.accounts.fields import Email, Name, Word
from headrace_gateway.http.accounts.paging import Page
from headrace_gateway.http.bodies import Body


class NewOrganizationBody(Body):
    """`POST /api/v1/orgs`."""

    name: Name
    owner_email: Email | None = None


class NameBody(Body):
    """What has a name only: an organization or a team, new or renamed."""

    name: Name


class TierBody(Body):
    """`PUT /api/v1/orgs/{organization_id}/tier`."""

    tier: Word


class OrganizationsQuery(Page):
    """`GET /api/v1/orgs`; `all` is for those who run this installation."""

    all: bool = False


ORGANIZATIONS = (
    AccountRoute(
        "POST",
        "/api/v1/orgs",
        "DirectoryService/CreateOrganization",
        "Make an organization, and invite its first owner",
        record("organization"),
        body=NewOrganizationBody,
        status=201,
        resource="organization",
    ),
    AccountRoute(
        "GET",
        "/api/v1/orgs",
        "DirectoryService/ListOrganizations",
        "List the organizations that you are in, or all",
        records("organization"),
        query=OrganizationsQuery,
    ),
    AccountRoute(
        "GET",
        "/api/v1/orgs/{organization_id}",
        "DirectoryService/GetOrganization",
        "See your organization",
        record("organization"),
        resource="organization",
    ),
    AccountRoute(
        "PATCH",
        "/api/v1/orgs/{organization_id}",
        "DirectoryService/UpdateOrganization",
        "Rename your organization",
        record("organization"),
        body=NameBody,
        resource="organization",
    ),
    AccountRoute(
        "PUT",
        "/api/v1/orgs/{organization_id}/tier",
        "LimitService/SetTier",
        "Give an organization a tier: free, standard or premium",
        record("organization"),
        body=TierBody,
        resource="organization",
    ),
)
TEAMS = (
    AccountRoute(
        "POST",
        "/api/v1/teams",
        "DirectoryService/CreateTeam",
        "Make a team",
        record("team"),
        body=NameBody,
        status=201,
        resource="team",
    ),
    AccountRoute(
        "GET",
        "/api/v1/teams",
        "DirectoryService/ListTeams",
        "List the organization's teams, newest first",
        records("team"),
        query=Page,
    ),
    AccountRoute(
        "PATCH",
        "/api/v1/teams/{team_id}",
        "DirectoryService/UpdateTeam",
        "Rename a team",
        record("team"),
        body=NameBody,
        resource="team",
    ),
    AccountRoute(
        "DELETE",
        "/api/v1/teams/{team_id}",
        "DirectoryService/DeleteTeam",
        "Delete a team that nobody is in, with its limits and budgets",
        record("team"),
        resource="team",
    ),
)
ROLES = (
    AccountRoute(
        "GET",
        "/api/v1/roles",
        "DirectoryService/ListRoles",
        "See what each role may do",
        records("role"),
    ),
)
