"""Nobody talks to a pod without a certificate of the mesh."""

import asyncio
import ssl
from pathlib import Path

import grpc
import pytest
from tests.mesh.calls import GENERATE, call
from tests.mesh.identities import Identities
from tests.mesh.layout import Layout
from tests.mesh.second_mesh import second_mesh
from tests.mesh.translator.cluster import identity
from tests.mesh.translator.objects import without
from tests.mesh.translator.proxies import Pod
from tests.mesh.world import World

GATEWAYS = identity("headrace", "headrace-gateway")
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""A client's preface and its empty SETTINGS (RFC 9113)."""


async def test_plaintext_is_refused_by_every_pod_before_anything_is_read(world: World) -> None:
    assert set((await _answers_to_plaintext(world.layout)).values()) == {
        grpc.StatusCode.UNAVAILABLE
    }


async def test_without_the_peer_authentication_plaintext_is_read(
    world: World, tmp_path: Path
) -> None:
    objects = without(world.objects, lambda each: each["kind"] == "PeerAuthentication")
    async with second_mesh(world, objects, tmp_path) as mesh:
        codes = await _answers_to_plaintext(mesh)
    # It has no identity, and so it may ask nothing; but it was asked, and anybody could listen.
    assert set(codes.values()) == {grpc.StatusCode.PERMISSION_DENIED}


async def _answers_to_plaintext(mesh: Layout) -> dict[str, grpc.StatusCode]:
    codes = {}
    for pod in mesh.pods:
        async with grpc.aio.insecure_channel(f"{pod.address}:{pod.doors[9000]}") as channel:
            codes[pod.name] = (await call(channel, GENERATE)).code
    return codes


@pytest.mark.parametrize("authority", ["the mesh's", "another one", "none"])
async def test_only_a_certificate_of_the_meshs_authority_opens_a_connection(
    world: World, tmp_path: Path, authority: str
) -> None:
    mine = Identities(tmp_path) if authority == "another one" else world.sidecars.identities
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # certificates of the mesh have no host names
    context.load_verify_locations(world.sidecars.identities.authority())
    context.set_alpn_protocols(["h2"])
    if authority != "none":
        context.load_cert_chain(mine.chain(GATEWAYS), mine.key(GATEWAYS))
    pod = world.layout.places["headrace-auth-0"].pod
    assert await _is_open(pod, context) is (authority == "the mesh's")


async def _is_open(pod: Pod, context: ssl.SSLContext) -> bool:
    """Whether the other side greets back; with TLS 1.3 a refusal of a certificate comes as late."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(pod.address, pod.doors[9000], ssl=context)
        try:
            writer.write(HELLO)
            return bool(await reader.read(1))
        except OSError:
            return False
        finally:
            writer.transport.abort()
