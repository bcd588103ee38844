"""PostgreSQL and Redis where the chart's Services say they are, as processes of this machine.

Their images are other people's, and no registry is in reach to bring them.
"""

import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis.asyncio
from tests.images.pods import Cluster, name_of
from tests.stack.helm import Object

from headrace_local import postgres, probes
from headrace_local import redis as local_redis
from headrace_local.probes import NotReadyError, Probe
from headrace_local.temporary import serving

SECRET = "headrace-secrets"
LABEL = "headrace.dev/store"


@contextmanager
def stores(cluster: Cluster) -> Iterator[None]:
    """All StatefulSets of the chart."""
    with ExitStack() as running:
        # Not pytest's own folder, which PostgreSQL's user may not enter.
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="headrace-")))
        for each in cluster.of_kind("StatefulSet"):
            kind = each["spec"]["template"]["metadata"]["labels"][LABEL]
            address = cluster.addresses[name_of(each)]
            if kind == "postgres":
                running.enter_context(_postgres(folder, address))
            else:
                password = cluster.secret(SECRET)["redis-password"]
                running.enter_context(_redis(folder / kind, address, password, each))
        yield


@contextmanager
def _postgres(folder: Path, address: str) -> Iterator[None]:
    sockets = folder / "sockets"
    settings = (*postgres.THROW_AWAY_SETTINGS, f"listen_addresses={address}")
    with serving(
        postgres.command(folder / "data", sockets, *settings),
        log=folder / "postgres.log",
        probe=probes.postgres(sockets),
        stop_signal=signal.SIGINT,
    ):
        yield


@contextmanager
def _redis(folder: Path, address: str, password: str, owner: Object) -> Iterator[None]:
    folder.mkdir()
    server = local_redis.command(folder, folder / "unused")[0]
    [container] = owner["spec"]["template"]["spec"]["containers"]
    told = [each.replace("$(REDIS_PASSWORD)", password) for each in container["args"]]
    told = [f"--dir {folder}" if each.startswith("--dir ") else each for each in told]
    with serving(
        (server, *told, f"--bind {address}"),
        log=folder / "redis.log",
        probe=_answers(f"redis://:{password}@{address}:6379/0"),
    ):
        yield


def _answers(url: str) -> Probe:
    async def look() -> None:
        async with redis.asyncio.Redis.from_url(url) as client:
            try:
                await client.ping()
            except redis.exceptions.RedisError as error:
                raise NotReadyError("not ready yet") from error

    return look
