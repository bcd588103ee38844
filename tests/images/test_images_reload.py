"""The stage `dev` of the Dockerfiles: a file that is saved is running code a moment later."""

import subprocess
from collections.abc import Iterator

import pytest
from tests.images.builds import Build, build_dev
from tests.images.workshop import STORAGE, inspect, podman, run_container

LACKING = "HEADRACE_CACHE_REDIS_URL: Field required"
SAVE = """
from pathlib import Path
file = Path("/tmp/headrace/headrace_cache/settings.py")
file.write_text(file.read_text().replace("redis_url: SecretStr", "redis_address: SecretStr"))
"""


@pytest.fixture
def container(images: dict[str, Build]) -> Iterator[str]:
    limits = ("--network=none", "--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp:mode=1777")
    made = run_container("--detach", *limits, build_dev("cache"))
    yield made
    podman("rm", "--force", "--time", "5", made)


def test_a_file_that_is_saved_runs_at_once(container: str) -> None:
    follow = ("podman", *STORAGE, "logs", "--follow", container)
    with subprocess.Popen(follow, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as logs:
        assert logs.stdout is not None
        assert logs.stdout.readline().decode().strip() == LACKING
        podman("exec", container, "python", "-c", SAVE)
        changed = LACKING.replace("REDIS_URL", "REDIS_ADDRESS")
        assert logs.stdout.readline().decode().strip() == changed
        podman("stop", "--time", "20", container)
    assert inspect("container", container)["State"]["ExitCode"] == 0
