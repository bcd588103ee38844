"""One auth process over a PostgreSQL and a Redis of its own, with API keys to resolve."""

import asyncio
import base64
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.processes import ContestantError, Groups, listening, tree
from headrace_common.errors import HeadraceError
from headrace_common.grpc_client import create_channel
from headrace_gateway.adapters.account_calls import GrpcAccounts
from headrace_gateway.testing.account_caller import AccountCaller
from headrace_local.checks import free_port
from headrace_local.errors import LocalStackError
from headrace_local.postgres import temporary_postgres, url
from headrace_local.redis import temporary_redis

EMAIL, PASSWORD = "owner@headrace.invalid", secrets.token_urlsafe()
CALL_SECONDS = 10.0
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class AuthProcess:
    """A running auth service and what belongs to it."""

    target: str
    redis_url: str
    process: psutil.Process
    postgres: psutil.Process
    keys: Sequence[tuple[str, str]] = field(repr=False)
    """API keys as (public id, whole key)."""

    def processes(self) -> Groups:
        """All that works for its callers, by part, as of now."""
        return {"auth": tree(self.process), "postgres": tree(self.postgres)}


@contextmanager
def auth_process(*, keys: int, **settings: str) -> Iterator[AuthProcess]:
    """Start everything, with so many API keys; raises ContestantError. `settings` are auth's."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="headrace-benchmark-")))
        try:
            sockets = stack.enter_context(temporary_postgres())
            redis_url = stack.enter_context(temporary_redis())
        except LocalStackError as error:
            raise ContestantError(str(error)) from error
        port = free_port()
        environment = {
            "DATABASE_URL": url(sockets),
            "REDIS_URL": redis_url,
            "AUDIT_TARGET": f"127.0.0.1:{free_port()}",  # nobody: events wait in the database
            "KEY_ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "GRPC_ADDRESS": f"127.0.0.1:{port}",
            "METRICS_ADDRESS": f"127.0.0.1:{free_port()}",
            "BOOTSTRAP_EMAIL": EMAIL,
            "BOOTSTRAP_PASSWORD": PASSWORD,
            **settings,
        }
        process = stack.enter_context(
            listening(
                (sys.executable, "-m", "headrace_auth"),
                port,
                folder / "auth.log",
                deadline_seconds=START_SECONDS,
                environment={f"HEADRACE_AUTH_{name}": v for name, v in environment.items()},
            )
        )
        target = f"127.0.0.1:{port}"
        made = asyncio.run(_make_keys(target, keys))
        yield AuthProcess(target, redis_url, process, _server_at(sockets), made)


async def _make_keys(target: str, count: int) -> list[tuple[str, str]]:
    channel = create_channel(target)
    nobody = AccountCaller(GrpcAccounts(channel, seconds=CALL_SECONDS))
    try:
        owner = await nobody.logged_in(EMAIL, PASSWORD)
        made = [
            await owner.call("ApiKeyService/CreateApiKey", name=f"key {n}") for n in range(count)
        ]
    except HeadraceError as error:
        raise ContestantError(f"auth: {error.message}") from error
    finally:
        await channel.close()
    return [(answer["api_key"]["api_key_id"], answer["secret"]) for answer in made]


def _server_at(sockets: Path) -> psutil.Process:
    """PostgreSQL's main process, by its lock file (PostgreSQL manual, section 19.3)."""
    lock = next(sockets.glob(".s.PGSQL.*.lock"))
    return psutil.Process(int(lock.read_text(encoding="utf-8").split("\n", 1)[0]))
