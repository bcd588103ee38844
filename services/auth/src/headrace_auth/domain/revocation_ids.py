"""Names of what may end: a principal holds as long as none of its own is announced."""


def session_revocation(session_id: str) -> str:
    """Ends every access token of a session."""
    return f"session:{session_id}"


def user_revocation(user_id: str, token_version: int) -> str:
    """Ends every access token of a user that was made under this token version."""
    return f"user:{user_id}:{token_version}"


def membership_revocation(user_id: str, version: int) -> str:
    """Ends what is known of a member, in the organisation that it is announced in."""
    return f"member:{user_id}:{version}"


def organization_revocation(version: int) -> str:
    """Ends what is known of all principals of the organisation that it is announced in."""
    return f"organization:{version}"


def api_key_revocation(api_key_id: str, version: int) -> str:
    """Ends what is known of a key that has changed; its bare id ends the key itself."""
    return f"key:{api_key_id}:{version}"


def client_revocation(client_id: str) -> str:
    """Ends every access token of an OAuth2 client, in the organisation that registered it."""
    return f"client:{client_id}"
