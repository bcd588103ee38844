"""The way to an identity provider and back: the front end gets a login code, nothing is changed.

Whoever completes a login here has shown only that a provider vouches for somebody. What comes of it
is done when the front end that began it exchanges the code (`login_codes.py`, docs/adr/0019).
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from headrace_auth.crypto.new_secrets import new_secret
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import LinkedIdentity
from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.login_refusals import OF_PROVIDER_ERROR, OF_REASON, LoginRefusal
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.pending_login import LOGIN_SECONDS, PendingLogin, is_s256_challenge
from headrace_auth.domain.proven_login import CODE_SECONDS, ProvenLogin
from headrace_auth.domain.refusals import invalid_field, not_found
from headrace_auth.domain.rights import Action, authorize
from headrace_auth.ports import IdentityProvider, LoginCodes, LoginStates
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.address_throttle import AddressThrottle
from headrace_auth.use_cases.federation.federated_accounts import FederatedAccounts
from headrace_auth.use_cases.federation.own_identities import OwnIdentities
from headrace_auth.use_cases.logins.reauthentication import Reauthentication
from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason

REFUSED = "federated_login_refused"
ENTROPY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Federation:
    """The identity providers by name, and what is kept of logins under way.

    `issuer` is this installation's URL; front ends live at `redirect_uris`, exactly.
    """

    providers: Mapping[str, IdentityProvider]
    states: LoginStates
    codes: LoginCodes
    issuer: str
    redirect_uris: Collection[str]


@dataclass(frozen=True, slots=True)
class Begun:
    """What the front end asks for; `redirect_uri` is where its person comes back to."""

    provider: str
    redirect_uri: str
    code_challenge: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Landing:
    """Where the browser goes at the end, with a login code or with the reason why there is none."""

    redirect_uri: str
    login_code: str = field(default="", repr=False)
    refusal: LoginRefusal | None = None


class FederatedLogins:
    """Sends people to identity providers and takes them back."""

    def __init__(
        self,
        acts: Acts,
        browser_throttle: AddressThrottle,
        federation: Federation,
        accounts: FederatedAccounts,
        identities: OwnIdentities,
        reauthentication: Reauthentication,
        clock: Clock,
    ) -> None:
        self._acts = acts
        self._browser_throttle = browser_throttle
        self._federation = federation
        self._accounts = accounts
        self._identities = identities
        self._reauthentication = reauthentication
        self._clock = clock

    async def start(self, caller: Caller, wanted: Begun) -> str:
        """The provider's URL for somebody who logs in.

        Raises REQUEST_RATE_LIMITED, RESOURCE_NOT_FOUND (provider), INVALID_FIELD,
        DEPENDENCY_UNAVAILABLE.
        """
        checked = self._check(wanted)
        await self._browser_throttle.begin(caller)
        return await self._start(checked, wanted, None)

    async def start_link(self, caller: Caller, wanted: Begun, *, password: str, code: str) -> str:
        """The provider's URL for the caller, who links an identity.

        One more way in outlives the token that asks for it, so the token is not enough. Raises as
        `start`, and what `Reauthentication.confirm` raises.
        """
        principal = caller.identified()
        authorize(principal, Action.LINK_IDENTITY)
        # Before the proof: it may use up a code.
        provider = self._check(wanted)
        await self._reauthentication.confirm(caller, password, code)
        return await self._start(provider, wanted, principal.session_id)

    async def complete(
        self, caller: Caller, provider: str, state: str, *, code: str = "", error: str = ""
    ) -> Landing:
        """Take somebody back from the provider with its `code` or its `error`.

        A state is good once, and only for its provider. Raises INVALID_FIELD for any other, when
        nobody knows whose login it is; DEPENDENCY_UNAVAILABLE if states cannot be looked up.
        """
        pending = await self._federation.states.take(state)
        if pending is None:
            raise _state_invalid()
        if pending.provider != provider:
            await self._warn(caller, "wrong_provider", f"identity_provider:{pending.provider}")
            raise _state_invalid()
        if error or not code:
            refusal = OF_PROVIDER_ERROR.get(error, LoginRefusal.NOT_CONFIRMED)
            return await self._refuse(caller, pending, refusal)
        try:
            return await self._finish(caller, pending, code)
        except HeadraceError as failure:
            if failure.reason not in OF_REASON:
                raise
            return await self._refuse(caller, pending, OF_REASON[failure.reason])

    def _check(self, wanted: Begun) -> IdentityProvider:
        provider = self._federation.providers.get(wanted.provider)
        if provider is None:
            raise not_found("identity_provider")
        if wanted.redirect_uri not in self._federation.redirect_uris:
            raise invalid_field("redirect_uri", "must be one that is configured, to the letter")
        if not is_s256_challenge(wanted.code_challenge):
            raise invalid_field("code_challenge", "must be an S256 challenge (RFC 7636)")
        return provider

    async def _start(
        self, provider: IdentityProvider, wanted: Begun, link_session_id: str | None
    ) -> str:
        state, nonce, code_verifier = (secrets.token_urlsafe(ENTROPY_BYTES) for _ in range(3))
        url = await provider.authorization_url(
            redirect_uri=self._callback(wanted.provider),
            state=state,
            nonce=nonce,
            code_verifier=code_verifier,
        )
        pending = PendingLogin(
            provider=wanted.provider,
            nonce=nonce,
            code_verifier=code_verifier,
            redirect_uri=wanted.redirect_uri,
            front_end_challenge=wanted.code_challenge,
            created_at=self._clock.now(),
            link_session_id=link_session_id,
        )
        await self._federation.states.put(state, pending, LOGIN_SECONDS)
        return url

    async def _finish(self, caller: Caller, pending: PendingLogin, code: str) -> Landing:
        provider = self._federation.providers.get(pending.provider)
        if provider is None:  # it was taken out of the settings meanwhile
            return await self._refuse(caller, pending, LoginRefusal.NOT_CONFIRMED)
        identity = await provider.identity(
            redirect_uri=self._callback(pending.provider),
            code=code,
            nonce=pending.nonce,
            code_verifier=pending.code_verifier,
        )
        refusal = await self._refusal(caller, pending, identity)
        if refusal is not None:
            return Landing(pending.redirect_uri, refusal=refusal)
        proven = ProvenLogin(
            identity=identity,
            front_end_challenge=pending.front_end_challenge,
            expires_at=self._clock.now() + timedelta(seconds=CODE_SECONDS),
            link_session_id=pending.link_session_id,
        )
        login_code = new_secret(TokenPrefix.LOGIN_CODE).reveal()
        await self._federation.codes.put(login_code, proven, CODE_SECONDS)
        return Landing(pending.redirect_uri, login_code)

    async def _refusal(
        self, caller: Caller, pending: PendingLogin, identity: ExternalIdentity
    ) -> LoginRefusal | None:
        """Whether the exchange would refuse it: then the person learns why at once."""
        async with self._acts.begin(caller) as act:
            if pending.link_session_id is not None:
                session_id = pending.link_session_id
                refusal = await self._identities.refusal(act, identity, session_id)
            else:
                refusal = (await self._accounts.decide(act, identity)).refusal
            if refusal is not None:
                await tell_refusal(act, identity, refusal)
        return refusal

    async def _refuse(
        self, caller: Caller, pending: PendingLogin, refusal: LoginRefusal
    ) -> Landing:
        if refusal is not LoginRefusal.TEMPORARILY_UNAVAILABLE:  # perhaps of the database
            await self._warn(caller, refusal, f"identity_provider:{pending.provider}")
        return Landing(pending.redirect_uri, refusal=refusal)

    async def _warn(self, caller: Caller, reason: str, resource: str) -> None:
        async with self._acts.begin(caller) as act:
            await act.warn_of_refusal(Reason.LOGIN_FAILED, f"{REFUSED}.{reason}", resource)

    def _callback(self, provider: str) -> str:
        """Where providers send people back to; nothing of a request has a say in it."""
        return f"{self._federation.issuer}/oauth2/{provider}/callback"


async def tell_refusal(act: Act, identity: ExternalIdentity, reason: str) -> None:
    """Tell the audit that an identity was refused."""
    resource = f"{LinkedIdentity.KIND.name}:{identity.provider}:{identity.subject}"
    await act.warn_of_refusal(Reason.LOGIN_FAILED, f"{REFUSED}.{reason}", resource)


def _state_invalid() -> HeadraceError:
    return invalid_field("state", "not valid, used already or expired; begin again")
