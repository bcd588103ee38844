"""The certificates are made once, renewed in time, private, and accepted by strict clients."""

import asyncio
import contextlib
import datetime
import shutil
import ssl
import stat
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace_local.certificates import LOCAL_HOSTS, ensure_certificates

NOW = datetime.datetime.now(datetime.UTC)


@contextlib.asynccontextmanager
async def tls_server(directory: Path) -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "server.pem", directory / "server-key.pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def run(*command: str | Path, **environment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.mark.parametrize("host", LOCAL_HOSTS)
async def test_a_strict_client_accepts_each_name(tmp_path: Path, host: str) -> None:
    ensure_certificates(tmp_path, LOCAL_HOSTS, NOW)
    context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    async with tls_server(tmp_path) as port:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=host
        )
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await reader.read()).endswith(b"ok")
        writer.close()


async def test_another_name_is_refused(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, LOCAL_HOSTS, NOW)
    context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    async with tls_server(tmp_path) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(
                "127.0.0.1", port, ssl=context, server_hostname="example.org"
            )


async def test_curl_accepts_it(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, LOCAL_HOSTS, NOW)
    curl = shutil.which("curl")
    assert curl, "curl is what `make up` tells people to use"
    async with tls_server(tmp_path) as port:
        assert (
            await run(curl, "-sS", "--cacert", tmp_path / "ca.pem", f"https://localhost:{port}")
            == "ok"
        )


def test_nothing_changes_while_it_is_valid(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, LOCAL_HOSTS, NOW)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    ensure_certificates(tmp_path, LOCAL_HOSTS, NOW + datetime.timedelta(days=50))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("days", "renewed"), [(70, ["server"]), (3640, ["ca", "server"])])
def test_what_expires_soon_is_renewed(tmp_path: Path, days: int, renewed: list[str]) -> None:
    ensure_certificates(tmp_path, LOCAL_HOSTS, NOW)
    before = {name: (tmp_path / f"{name}.pem").read_bytes() for name in ("ca", "server")}
    ensure_certificates(tmp_path, LOCAL_HOSTS, NOW + datetime.timedelta(days=days))
    after = {name: (tmp_path / f"{name}.pem").read_bytes() for name in ("ca", "server")}
    assert [name for name in before if before[name] != after[name]] == renewed


def test_another_address_gets_another_certificate_of_the_same_authority(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, LOCAL_HOSTS, NOW)
    authority = (tmp_path / "ca.pem").read_bytes()
    server = (tmp_path / "server.pem").read_bytes()
    ensure_certificates(tmp_path, (*LOCAL_HOSTS, "192.0.2.7"), NOW)
    assert (tmp_path / "ca.pem").read_bytes() == authority
    assert (tmp_path / "server.pem").read_bytes() != server


def test_keys_are_private(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, LOCAL_HOSTS, NOW)
    for name in ("ca-key.pem", "server-key.pem"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
