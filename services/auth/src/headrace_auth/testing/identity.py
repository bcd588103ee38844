"""What proves who somebody is, put together as in the service; what is outside is in memory."""

from dataclasses import asdict

from prometheus_client import CollectorRegistry

from headrace_auth.adapters.mail.memory import MemoryMailer
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer
from headrace_auth.composition.identity import Identity, create_identity
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.ports import Store
from headrace_auth.testing.settings import LINKS, memory_settings
from headrace_common.testing.clock import FakeClock


def memory_identity(
    store: Store,
    clock: FakeClock,
    *,
    passwords: Passwords | None = None,
    announcer: MemoryRevocationAnnouncer | None = None,
    mailer: MemoryMailer | None = None,
    **overrides: object,
) -> Identity:
    """Over any store; `overrides` are settings.

    Give it `passwords`, and close them, where one is hashed or checked. Its access tokens have no
    keys until a rotation gives them some.
    """
    settings = memory_settings(instance_name="test", **asdict(LINKS), **overrides)
    return create_identity(
        settings,
        store=store,
        announcer=announcer or MemoryRevocationAnnouncer(),
        passwords=passwords or Passwords(settings.password_cost()),
        mailer=mailer or MemoryMailer(),
        registry=CollectorRegistry(),
        clock=clock,
    )
