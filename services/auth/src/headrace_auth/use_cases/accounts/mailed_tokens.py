"""The one-time tokens that are sent by e-mail: made, looked at, used once, and made void."""

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from headrace_auth.crypto.new_secrets import new_secret
from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.refusals import token_invalid
from headrace_auth.domain.sessions import OneTimeToken, Purpose
from headrace_auth.use_cases.acts import Act

PREFIXES = MappingProxyType(
    {
        Purpose.VERIFY_EMAIL: TokenPrefix.EMAIL_VERIFICATION,
        Purpose.RESET_PASSWORD: TokenPrefix.PASSWORD_RESET,
    }
)
LIFETIMES = MappingProxyType(
    {Purpose.VERIFY_EMAIL: timedelta(hours=24), Purpose.RESET_PASSWORD: timedelta(hours=1)}
)


async def issue(act: Act, purpose: Purpose, user_id: str) -> str:
    """A new token, to be sent to the user's address and shown to nobody else."""
    secret = new_secret(PREFIXES[purpose])
    await act.of(OneTimeToken).add(
        OneTimeToken(
            token_sha256=secret.sha256,
            purpose=purpose,
            user_id=user_id,
            created_at=act.now,
            expires_at=act.now + LIFETIMES[purpose],
        )
    )
    return secret.reveal()


async def look_up(act: Act, purpose: Purpose, text: str) -> OneTimeToken:
    """The token if it is still good, locked until the act ends; raises INVALID_FIELD."""
    digest = opaque_secrets.parse(PREFIXES[purpose], text)
    token = await act.of(OneTimeToken).get(digest, lock=True) if digest else None
    if token is None or token.purpose is not purpose:
        raise token_invalid()
    if token.used_at is not None or act.now >= token.expires_at:
        raise token_invalid()
    return token


async def use(act: Act, purpose: Purpose, text: str) -> OneTimeToken:
    """The token, used up; of two uses at once one raises INVALID_FIELD."""
    token = await look_up(act, purpose, text)
    await act.of(OneTimeToken).put(replace(token, used_at=act.now))
    return token


async def void(act: Act, purpose: Purpose, user_id: str) -> None:
    """No token of this user for this purpose is good any more."""
    tokens = act.of(OneTimeToken)
    for token in await tokens.find(user_id=user_id, purpose=purpose):
        await tokens.remove(token.token_sha256)


async def void_all(act: Act, user_id: str) -> None:
    """No token that was sent to this user is good any more."""
    for purpose in Purpose:
        await void(act, purpose, user_id)
