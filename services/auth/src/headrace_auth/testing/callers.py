"""People of the directory as callers, without a login before."""

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.principal import CredentialKind, Principal, Scope
from headrace_auth.domain.rights import SCOPES_OF_ROLE
from headrace_auth.ports import Store
from headrace_auth.testing.directory import Person


async def caller_of(
    store: Store, person: Person, *, scopes: frozenset[Scope] | None = None, client_id: str = ""
) -> Caller:
    """The person after a login to the organisation that it joined first."""
    organization_id = person.joined[0][0]
    member = await store.principals.member(person.user_id, organization_id)
    if member is None:
        raise LookupError(f"{person.email} is no member")
    principal = Principal(
        credential_id="01900000-0000-7000-8000-0000000000ff",
        credential_kind=CredentialKind.ACCESS_TOKEN,
        member=member,
        scopes=SCOPES_OF_ROLE[member.role] if scopes is None else scopes,
        limits=member.limits,
        budgets=member.budgets,
        client_id=client_id,
    )
    return Caller(request_id="01900000-0000-7000-8000-0000000000ee", principal=principal)
