"""Identity providers as configured, and the rule by which their people become users."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.login_refusals import LoginRefusal
from headrace_auth.domain.provider_urls import check_issuer

MAXIMUM_CREDENTIAL = 4096

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")
_VISIBLE = re.compile(rf"[\x20-\x7e]{{1,{MAXIMUM_CREDENTIAL}}}")


class ProviderKind(StrEnum):
    """The protocol that a provider speaks."""

    OIDC = "oidc"
    GITHUB = "github"


DEFAULT_SCOPES = {
    ProviderKind.OIDC: ("openid", "email", "profile"),
    ProviderKind.GITHUB: ("read:user", "user:email"),
}
GITHUB_ISSUER, GITHUB_API = "https://github.com", "https://api.github.com"


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One identity provider; raises ValueError, which names field and rule, never a secret.

    `name` is what users are linked to, together with the provider's `sub`: never give one that was
    used to another issuer, whose people would be taken for the former's. `issuer` is OpenID
    Connect's, exactly, or GitHub's web address; `api_url` is GitHub's API. Both must be https,
    unless `allow_http_on_loopback` (development) and on this machine. Empty `scopes`, and GitHub's
    empty addresses, become the usual ones.
    """

    name: str
    kind: ProviderKind
    client_id: str
    client_secret: str = field(repr=False)
    issuer: str = ""
    api_url: str = ""
    scopes: tuple[str, ...] = ()
    allow_http_on_loopback: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", ProviderKind(self.kind))
        if self.kind is ProviderKind.GITHUB:
            object.__setattr__(self, "issuer", self.issuer or GITHUB_ISSUER)
            object.__setattr__(self, "api_url", self.api_url or GITHUB_API)
        object.__setattr__(self, "scopes", self.scopes or DEFAULT_SCOPES[self.kind])
        self._check()

    @property
    def may_use_http(self) -> bool:
        """Whether this provider's endpoints may be http on loopback, as its issuer is."""
        return self.allow_http_on_loopback and self.issuer.startswith("http:")

    def _check(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("name: a letter and up to 31 of a-z, 0-9 and -")
        for name in ("client_id", "client_secret"):
            if not _VISIBLE.fullmatch(getattr(self, name)):
                raise ValueError(f"{name}: from 1 to {MAXIMUM_CREDENTIAL} visible ASCII characters")
        if not all(_SCOPE.fullmatch(scope) for scope in self.scopes):
            raise ValueError("scopes: each must be a scope token (RFC 6749, section 3.3)")
        check_issuer("issuer", self.issuer, http_on_loopback=self.allow_http_on_loopback)
        if self.kind is ProviderKind.GITHUB:
            check_issuer("api_url", self.api_url, http_on_loopback=self.allow_http_on_loopback)
        elif self.api_url:
            raise ValueError("api_url: only a provider of kind github has one")
        elif "openid" not in self.scopes:
            raise ValueError("scopes: openid must be among them")


class Verdict(StrEnum):
    """What becomes of somebody whom a provider vouches for."""

    LOG_IN = "log_in"
    LINK = "link"
    TAKE_OVER = "take_over"
    CREATE = "create"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class EmailAccount:
    """What the rule needs of the account that has the same e-mail address."""

    user_id: str
    email_verified: bool
    has_password: bool
    is_as_registered: bool = False
    """Nobody has proven the address, and the account has only what registering gave it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`user_id` is set to log in, to link and to take over, `refusal` to refuse."""

    verdict: Verdict
    user_id: str | None = None
    refusal: LoginRefusal | None = None


def decide(
    identity: ExternalIdentity,
    *,
    linked_user_id: str | None,
    account: EmailAccount | None,
    registration_open: bool,
    invited: bool = False,
) -> Decision:
    """Who logs in when nobody is signed in.

    `linked_user_id` is whom the identity has been linked to, `account` has `identity.email`,
    `invited` tells of an open invitation to that address. An e-mail address alone never opens an
    account that has a password: its owner may have chosen not to trust that provider. An account
    that nobody has proven the address of has no owner yet; the first who does takes it over, as
    long as nobody else has given it anything.
    """
    if linked_user_id is not None:
        return Decision(Verdict.LOG_IN, linked_user_id)
    refusal = _refusal(identity, account, may_register=registration_open or invited)
    if refusal is not None:
        return Decision(Verdict.REFUSE, refusal=refusal)
    if account is None:
        return Decision(Verdict.CREATE)
    verdict = Verdict.LINK if account.email_verified else Verdict.TAKE_OVER
    return Decision(verdict, account.user_id)


def _refusal(
    identity: ExternalIdentity, account: EmailAccount | None, *, may_register: bool
) -> LoginRefusal | None:
    if identity.email is None or not identity.email_verified:
        return LoginRefusal.EMAIL_NOT_VERIFIED
    if account is None:
        return None if may_register else LoginRefusal.REGISTRATION_CLOSED
    if account.email_verified:
        return LoginRefusal.PASSWORD_ACCOUNT if account.has_password else None
    return None if account.is_as_registered else LoginRefusal.ACCOUNT_NOT_VERIFIED
