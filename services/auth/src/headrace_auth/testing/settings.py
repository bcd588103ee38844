"""Settings of a service that runs over memory, with hashes that cost next to nothing."""

import base64

from headrace_auth.domain.links import Links
from headrace_auth.settings import AuthSettings

SITE = "https://headrace.test"
LINKS = Links(
    verify_email_url=f"{SITE}/verify#{{token}}",
    reset_password_url=f"{SITE}/reset#{{token}}",
    invitation_url=f"{SITE}/invitation#{{token}}",
    log_in_url=f"{SITE}/login",
)


def memory_settings(**overrides: object) -> AuthSettings:
    """Whatever is not given is as it ships, or is not used over memory."""
    values: dict[str, object] = {
        "database_url": "unused",
        "redis_url": "unused",
        "audit_target": "unused:1",
        "key_encryption_key": base64.b64encode(b"k" * 32).decode(),
        "issuer": SITE,
        "argon2_time_cost": 1,
        "argon2_memory_kib": 8,
        "argon2_parallelism": 1,
    }
    return AuthSettings.model_validate(values | overrides)
