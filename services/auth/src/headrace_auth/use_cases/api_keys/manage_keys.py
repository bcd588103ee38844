"""Making, listing and revoking API keys."""

from dataclasses import dataclass, replace

from headrace_auth.crypto.new_secrets import new_api_key
from headrace_auth.domain import api_keys
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership, User
from headrace_auth.domain.fields import ApiKeyRequest
from headrace_auth.domain.mails import Done
from headrace_auth.domain.paging import Position
from headrace_auth.domain.principal import Principal
from headrace_auth.domain.rights import Action, Reach, authorize, check_grant
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.api_keys.api_key_views import ApiKeyView, key_within, view, views
from headrace_auth.use_cases.api_keys.new_api_keys import add_key, draft_key
from headrace_auth.use_cases.credential_notices import CredentialNotices
from headrace_auth.use_cases.pages import Page, page_of


@dataclass(frozen=True, slots=True)
class CreatedApiKey:
    """A key and, this once, its new secret."""

    view: ApiKeyView
    text: api_keys.ApiKeyText


class KeyManager:
    """Acts for a principal and never beyond its organisation."""

    def __init__(self, acts: Acts, notices: CredentialNotices) -> None:
        self._acts = acts
        self._notices = notices

    async def create(self, caller: Caller, request: ApiKeyRequest) -> CreatedApiKey:
        """Raises PERMISSION_DENIED, also for a key with more rights than its maker has."""
        principal = caller.identified()
        reach = authorize(principal, Action.CREATE_API_KEY)
        text = new_api_key()
        async with self._acts.begin(caller) as act:
            draft = await draft_key(act, principal, reach, request, text.api_key_id)
            key = replace(draft, secret_sha256=text.secret_sha256)
            await self._notices.of_key(act, key, Done.MADE)
            return CreatedApiKey(await add_key(act, key, request), text)

    async def page(self, caller: Caller, after: Position | None, size: int) -> Page[ApiKeyView]:
        """The organisation's keys, or only the principal's own; raises PERMISSION_DENIED."""
        principal = caller.identified()
        reach = authorize(principal, Action.LIST_API_KEYS)
        mine = {} if reach is Reach.ORGANIZATION else {"created_by": principal.member.user_id}
        here = principal.member.organization_id
        async with self._acts.begin(caller) as act:
            page = await page_of(act.of(ApiKey), after, size, organization_id=here, **mine)
            return Page(await views(act, page.items), page.next_position)

    async def get(self, caller: Caller, api_key_id: str) -> ApiKeyView:
        """One of the keys that `page` shows; raises PERMISSION_DENIED or RESOURCE_NOT_FOUND."""
        principal = caller.identified()
        reach = authorize(principal, Action.GET_API_KEY)
        async with self._acts.begin(caller) as act:
            return await view(act, await key_within(act, principal, reach, api_key_id, lock=False))

    async def revoke(self, caller: Caller, api_key_id: str) -> ApiKeyView:
        """Raises PERMISSION_DENIED, also for a key of somebody above, or RESOURCE_NOT_FOUND.

        Repeating it announces it again.
        """
        principal = caller.identified()
        reach = authorize(principal, Action.REVOKE_API_KEY)
        async with self._acts.begin(caller) as act:
            key = await key_within(act, principal, reach, api_key_id)
            await _check_may_end(act, principal, key)
            if key.revoked_at is None:
                revoked = replace(key, revoked_at=act.now)
                await act.change(key, revoked, "revoke")
                key = revoked
            await act.end(key.organization_id, key.api_key_id)
            return await view(act, key)


async def _check_may_end(act: Act, principal: Principal, key: ApiKey) -> None:
    """Raise PERMISSION_DENIED if the key acts in a role that the principal may not deal with.

    The keys of people who have left or are disabled act in none.
    """
    user_id = key.created_by
    if user_id == principal.member.user_id:
        return
    membership = await act.of(Membership).get(user_id, key.organization_id)
    user = await act.of(User).get(user_id)
    if membership is not None and user is not None and user.disabled_at is None:
        check_grant(principal, membership.role)
