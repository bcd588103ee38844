"""From e-mail and password to an access token."""

from dataclasses import dataclass
from datetime import timedelta

from headrace_auth.crypto.passwords import Passwords
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain.access_tokens import AccessClaims
from headrace_auth.domain.directory import Membership, User
from headrace_auth.domain.fields import check_password_length, normalize_email
from headrace_auth.domain.principal import CredentialKind, Member, Principal
from headrace_auth.domain.refusals import login_failed
from headrace_auth.domain.rights import SCOPES_OF_ROLE
from headrace_auth.ports import Store
from headrace_common.clock import Clock
from headrace_common.ids import uuid7


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A token, its life in seconds, and whom it stands for."""

    access_token: str
    expires_in_seconds: int
    principal: Principal

    def __repr__(self) -> str:
        return f"LoggedIn({self.principal!r})"


class Login:
    """Password login; unknown account and wrong password cost the same and read the same."""

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        tokens: AccessTokens,
        clock: Clock,
        *,
        access_token_seconds: int,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._tokens = tokens
        self._clock = clock
        self._seconds = access_token_seconds

    async def log_in(self, email: str, password: str) -> LoggedIn:
        """Raises LOGIN_FAILED, INVALID_FIELD, QUEUE_FULL or DEPENDENCY_UNAVAILABLE."""
        normalized = normalize_email(email)
        checked = check_password_length(password)
        async with self._store.begin() as transaction:
            users = await transaction.of(User).find(email=normalized)
            user = users[0] if users else None
            joined = await transaction.of(Membership).find(user_id=user.user_id) if user else []
        matches = await self._passwords.verify(user.password_hash if user else None, checked)
        if not matches or user is None or not joined:
            raise login_failed()
        oldest = min(joined, key=lambda membership: membership.created_at)
        member = await self._store.principals.member(user.user_id, oldest.organization_id)
        if member is None:
            raise login_failed()
        return self._issue(member)

    def _issue(self, member: Member) -> LoggedIn:
        now = self._clock.now().replace(microsecond=0)
        claims = AccessClaims(
            token_id=uuid7(now),
            user_id=member.user_id,
            organization_id=member.organization_id,
            role=member.role,
            scopes=SCOPES_OF_ROLE[member.role],
            token_version=member.token_version,
            issued_at=now,
            expires_at=now + timedelta(seconds=self._seconds),
        )
        principal = Principal(
            credential_id=claims.token_id,
            credential_kind=CredentialKind.ACCESS_TOKEN,
            member=member,
            scopes=claims.scopes,
            limits=member.limits,
            budgets=member.budgets,
            expires_at=claims.expires_at,
        )
        return LoggedIn(self._tokens.sign(claims), self._seconds, principal)
