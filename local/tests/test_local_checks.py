"""What is refused before anything starts, and in which words."""

import os
import socket
from pathlib import Path

import pytest

from headrace_local import checks
from headrace_local.errors import LocalStackError
from headrace_local.stack import StackOptions, supervised


def test_a_port_in_use_names_its_owner_and_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LocalStackError) as caught:
            checks.check_port("127.0.0.1", port)
    message = str(caught.value)
    assert message.startswith(f"Port {port} is in use by ")
    assert f"(process {os.getpid()})" in message
    assert f"make up PORT={port + 1000 if port < 64000 else 9443}" in message


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(LocalStackError, match=r"Cannot listen on 192\.0\.2\.1 port 8443"):
        checks.check_port("192.0.2.1", 8443)


def test_free_ports_are_different_and_free() -> None:
    ports = checks.free_ports(["a", "b", "c"])
    assert len(set(ports.values())) == 3
    for port in ports.values():
        checks.check_port("127.0.0.1", port)


async def test_too_little_disk_is_one_sentence(tmp_path: Path) -> None:
    options = StackOptions(tmp_path, port=0)
    with pytest.raises(LocalStackError, match=r"needs 1 GiB .* there are 0\.5 GiB"):
        async with supervised(lambda plan: (), options, free_bytes=lambda path: 2**29):
            pass


async def test_enough_disk_is_enough(tmp_path: Path) -> None:
    options = StackOptions(tmp_path, port=0)
    async with supervised(lambda plan: (), options, free_bytes=lambda path: 2**30) as (plan, _):
        assert plan.directory.root == tmp_path
