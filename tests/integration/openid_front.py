"""A proxy before the mock OpenID Connect provider that enforces PKCE, which the mock does not do,
and that lies as a test tells it to, which the mock does not do either.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from tests.integration.loopback import Answer, Request, answering, json_answer
from tests.stack.openid_provider import plain_client

DISCOVERY, TOKEN = "/.well-known/openid-configuration", "/oauth2/token"
KEYS, USER_INFO, AUTHORIZE = "/jwks", "/userinfo", "/oauth2/authorize"
FORGED = ["RS256", "PS256", "RS384", "ES256", "EdDSA", "HS256"]

Claims = dict[str, Any]


@dataclass
class Front:
    """`lies` change the answer at a path, `instead` gives one; `requests` are all that came."""

    upstream: str
    client: httpx.Client
    url: str = ""
    lies: dict[str, Callable[[Answer], Answer]] = field(default_factory=dict)
    instead: dict[str, Callable[[], Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    _challenges: dict[str, str] = field(default_factory=dict)

    def lie(self, path: str, **changes: Any) -> None:
        """Change members of the JSON object at `path`; one that becomes None goes."""

        def lie(answer: Answer) -> Answer:
            changed = {**json.loads(answer.body), **changes}
            return json_answer({k: v for k, v in changed.items() if v is not None})

        self.lies[path] = lie

    def replace(self, path: str, answer: Answer) -> None:
        """Answer so, without asking the provider."""
        self.instead[path] = lambda: answer

    def count(self, path: str) -> int:
        """How often somebody asked there."""
        return sum(request.path == path for request in self.requests)

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if request.path in self.instead:
            return self.instead[request.path]()
        if request.path == TOKEN and not self._has_verifier(request):
            return json_answer({"error": "invalid_grant"}, 400)
        given = self.client.request(
            request.method,
            self.upstream + request.target,
            headers=request.headers,  # with Host: the provider takes this proxy's name for its own
            content=request.body,
        )
        kept = {
            name: given.headers[name]
            for name in ("content-type", "location")
            if name in given.headers
        }
        if "location" in kept:
            code = httpx.URL(kept["location"]).params["code"]
            self._challenges[code] = request.query["code_challenge"]
        answer = Answer(given.status_code, given.content, kept)
        lie = self.lies.get(request.path)
        return lie(answer) if lie else answer

    def _has_verifier(self, request: Request) -> bool:
        verifier = request.form.get("code_verifier", "").encode()
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        return self._challenges.get(request.form["code"]) == digest


@contextmanager
def fronting(upstream: str) -> Iterator[Front]:
    """A proxy to the provider at `upstream`."""
    with plain_client() as client:
        front = Front(upstream, client)
        with answering(front.answer) as url:
            front.url = url
            yield front


class _Registry(jws.JWSRegistry):
    """Signs headers that it should not."""

    def check_header(self, header: dict[str, Any]) -> None:
        pass


class Forger:
    """A provider's own lies: signs ID tokens with keys that it publishes as the provider's."""

    def __init__(self, front: Front, rsa: RSAKey) -> None:
        self.rsa = rsa
        self.ec = ECKey.generate_key("P-256")
        self.okp = OKPKey.generate_key("Ed25519")
        self.published = [
            {**self.rsa.as_dict(private=False), "kid": "rsa"},
            {**self.ec.as_dict(private=False), "kid": "ec"},
            {**self.okp.as_dict(private=False), "kid": "okp"},
        ]
        self._front = front
        front.lies[KEYS] = lambda _: json_answer({"keys": self.published})

    def sign_anew(
        self,
        change: Callable[[Claims], Claims] = lambda claims: claims,
        *,
        key: Any = None,
        **header: Any,
    ) -> None:
        """From now on, tokens have other claims and are signed by the forger (RS256, kid rsa).

        `header` changes that; a member that becomes None goes.
        """
        changed = {"alg": "RS256", "kid": "rsa", **header}
        header = {name: value for name, value in changed.items() if value is not None}

        def sign(token: str) -> str:
            claims = change(_claims(token))
            return jwt.encode(
                header, claims, key or self.rsa, registry=_Registry(algorithms=FORGED)
            )

        self.replace_token(sign)

    def replace_token(self, forge: Callable[[str], str]) -> None:
        """From now on, tokens are what `forge` makes of them."""

        def lie(answer: Answer) -> Answer:
            values = json.loads(answer.body)
            return replace(
                answer, body=json.dumps({**values, "id_token": forge(values["id_token"])}).encode()
            )

        self._front.lies[TOKEN] = lie


def _claims(token: str) -> Claims:
    claims: Claims = json.loads(decoded(token.split(".")[1]))
    return claims


def decoded(part: str) -> bytes:
    """A part of a compact JWS."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encoded(value: Any) -> str:
    """JSON as a part of a compact JWS."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
