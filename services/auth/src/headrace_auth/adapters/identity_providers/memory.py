"""An IdentityProvider in this process's memory, for tests and trials."""

from urllib.parse import parse_qsl, urlencode, urlsplit

from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.pending_login import s256_challenge
from headrace_auth.domain.refusals import identity_provider_unavailable, login_not_confirmed

AUTHORIZE = "https://provider.invalid/authorize"


class MemoryIdentityProvider:
    """Whoever holds an authorization URL may say who the person is; set `down` for a bad day."""

    def __init__(self) -> None:
        self.down = False
        self._approved: dict[str, tuple[dict[str, str], ExternalIdentity]] = {}

    def approve(self, url: str, identity: ExternalIdentity) -> str:
        """The person logs in and agrees: the code that the browser brings back."""
        code = f"code-{len(self._approved)}"
        self._approved[code] = (dict(parse_qsl(urlsplit(url).query)), identity)
        return code

    async def authorization_url(
        self, *, redirect_uri: str, state: str, nonce: str, code_verifier: str
    ) -> str:
        self._require_up()
        request = {**_bound(redirect_uri, nonce, code_verifier), "state": state}
        return f"{AUTHORIZE}?{urlencode(request)}"

    async def identity(
        self, *, redirect_uri: str, code: str, nonce: str, code_verifier: str
    ) -> ExternalIdentity:
        self._require_up()
        request, identity = self._approved.pop(code, (None, None))
        if request is None or identity is None:
            raise login_not_confirmed()
        if not _bound(redirect_uri, nonce, code_verifier).items() <= request.items():
            raise login_not_confirmed()
        return identity

    def _require_up(self) -> None:
        if self.down:
            raise identity_provider_unavailable()


def _bound(redirect_uri: str, nonce: str, code_verifier: str) -> dict[str, str]:
    return {
        "redirect_uri": redirect_uri,
        "nonce": nonce,
        "code_challenge": s256_challenge(code_verifier),
        "code_challenge_method": "S256",
    }
