"""Using up refresh tokens: one rule for people's own sessions and for those of applications."""

from dataclasses import replace

from headrace_auth.domain.directory import User
from headrace_auth.domain.sessions import RefreshToken, Session
from headrace_auth.use_cases.acts import Act
from headrace_auth.use_cases.sessions.open_sessions import OpenSession, SessionOpener, end_session
from headrace_common.errors import Reason


async def usable(act: Act, digest: bytes, client_id: str) -> tuple[RefreshToken, Session] | None:
    """The token and its session, both locked, if this client may use it now.

    One that is used up already was stolen, from us or from whoever shows it now: the session ends
    (RFC 9700, section 4.14.2). So do not raise in the act when this returns None.
    """
    token = await act.of(RefreshToken).get(digest)
    session = await act.of(Session).get(token.session_id, lock=True) if token else None
    # The session first, as whoever moves it does; what was read before may be used up by now.
    token = await act.of(RefreshToken).get(digest, lock=True) if session else None
    if token is None or session is None or session.client_id != client_id:
        return None
    about = {"user_id": session.user_id, "organization_id": session.organization_id}
    if token.used_at is not None:
        if session.ended_at is None:
            await act.warn_of_refusal(
                Reason.CREDENTIAL_INVALID,
                "refresh_token_reused",
                f"session:{session.session_id}",
                **about,
            )
            await end_session(act, session, "end_after_reuse")
        return None
    user = await act.of(User).get(session.user_id)
    if user is None or user.token_version != session.token_version:
        return None
    if session.ended_at is not None or act.now >= min(token.expires_at, session.expires_at):
        return None
    return token, session


async def use_up(
    act: Act, opener: SessionOpener, token: RefreshToken, session: Session
) -> OpenSession:
    """Go on with the session under its next token; both as `usable` returned them."""
    await act.of(RefreshToken).put(replace(token, used_at=act.now))
    return await opener.refresh(act, session)


async def retire(act: Act, session: Session) -> None:
    """Use up what the session, locked, has left to be used; whoever shows that later ends it."""
    tokens = act.of(RefreshToken)
    for token in await tokens.find(session_id=session.session_id, used_at=None):
        await tokens.put(replace(token, used_at=act.now))
