"""The images, built once, and all of Headrace in containers, as the chart puts it together."""

import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.images.builds import Build, build_all
from tests.images.node import Node, running_node
from tests.images.pods import Cluster
from tests.images.stores import SECRET, stores
from tests.images.workshop import alone
from tests.stack.helm import render

VALUES = Path(__file__).with_name("values.yaml")
EMAIL, PASSWORD = "owner@acme.test", "correct horse battery staple 7"


@pytest.fixture(scope="session")
def images() -> Iterator[dict[str, Build]]:
    """Every image, by service; nobody else is in the workshop meanwhile."""
    with alone():
        yield build_all()


@pytest.fixture(scope="session")
def node(images: dict[str, Build]) -> Iterator[Node]:
    """All that the chart renders, in containers that are ready."""
    network = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}"
    with tempfile.TemporaryDirectory(prefix="headrace-pods-") as folder:
        Path(folder).chmod(0o755)
        cluster = Cluster(render([VALUES]), Path(folder), network)
        with stores(cluster), running_node(cluster) as running:
            yield running


@dataclass(frozen=True, slots=True)
class Owner:
    """Whoever owns the installation, over the gateway's HTTP door."""

    http: httpx.Client
    headers: dict[str, str]

    def make_key(self, name: str) -> tuple[str, dict[str, str]]:
        """The id of a new API key, and headers with it."""
        made = self.http.post("/api/v1/keys", json={"name": name}, headers=self.headers)
        assert made.status_code == 201, made.text
        return made.json()["id"], {"authorization": f"Bearer {made.json()['secret']}"}


@pytest.fixture(scope="session")
def owner(node: Node) -> Iterator[Owner]:
    """Made with the bootstrap token of the chart's Secret."""
    address = node.cluster.addresses["headrace-gateway"]
    token = node.cluster.secret(SECRET)["bootstrap-token"]
    with httpx.Client(base_url=f"http://{address}:8080", timeout=60, trust_env=False) as http:
        login = {"email": EMAIL, "password": PASSWORD}
        made = http.post("/api/v1/auth/bootstrap", json={"token": token, **login})
        assert made.status_code in {200, 201}, made.text
        answer = http.post("/api/v1/auth/login", json=login)
        assert answer.status_code == 200, answer.text
        yield Owner(http, {"authorization": f"Bearer {answer.json()['access_token']}"})
