"""The whole suite in containers: end-to-end calls, what they leave behind, and how it ends."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import asyncpg
import psutil
from tests.chart.checks.pod_security import quantity
from tests.images.conftest import Owner
from tests.images.node import Node
from tests.images.workshop import inspect, podman
from tests.stack.completions import CHAT, event_of

MEBIBYTE = 2**20
MODEL, EMBEDDING_MODEL = "smollm2-135m-instruct", "all-minilm-l6-v2"
QUESTION: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Name a river of France."}],
    "max_tokens": 12,
    "temperature": 0,
}
DELIVERY_SECONDS = 15.0


def test_each_has_room_at_rest(node: Node, report: Callable[[str], None]) -> None:
    for name, running in sorted(node.running.items()):
        state = inspect("container", running.id)
        process = psutil.Process(state["State"]["Pid"])
        resident = sum(each.memory_info().rss for each in (process, *process.children(True)))
        limit = int(quantity(running.container["resources"]["limits"]["memory"]))
        assert state["HostConfig"]["Memory"] == limit
        assert resident < limit / 2, f"{name} has no room"
        report(f"{name}: {resident / MEBIBYTE:.0f} MiB at rest of {limit // MEBIBYTE}")


def test_containers_run_as_the_chart_says(node: Node) -> None:
    for running in node.running.values():
        state = inspect("container", running.id)
        assert state["HostConfig"]["ReadonlyRootfs"]
        assert state["EffectiveCaps"] in (None, [])
        uids = psutil.Process(state["State"]["Pid"]).uids()
        assert set(uids) == {10001}


async def test_every_probe_of_the_chart_succeeds(node: Node) -> None:
    for running in node.running.values():
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            await running.probe(name)()
    assert len(node.running) == 6


def test_chat_is_answered_and_then_cached(owner: Owner) -> None:
    _, key = owner.make_key("chat")
    answers = [owner.http.post(CHAT, json=QUESTION, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    first, second = (answer.json()["choices"][0]["message"]["content"] for answer in answers)
    assert first
    assert second == first
    assert answers[1].headers["x-headrace-cache"] == "hit"


def test_a_stream_comes_in_pieces(owner: Owner) -> None:
    _, key = owner.make_key("stream")
    body = {**QUESTION, "stream": True, "temperature": 0.7, "max_tokens": 30}
    with owner.http.stream("POST", CHAT, json=body, headers=key) as response:
        events = [event for line in response.iter_lines() if (event := event_of(line))]
    assert events[-1] == "[DONE]"
    pieces = [choice for event in events[:-1] for choice in event["choices"]]
    assert len([each for each in pieces if each["delta"].get("content")]) > 3


def test_texts_become_vectors(owner: Owner) -> None:
    _, key = owner.make_key("embeddings")
    body = {"model": EMBEDDING_MODEL, "input": ["a river", "a stream"]}
    answer = owner.http.post("/v1/embeddings", json=body, headers=key)
    assert answer.status_code == 200, answer.text
    assert [len(each["embedding"]) for each in answer.json()["data"]] == [384, 384]
    refused = owner.http.post("/v1/embeddings", json={**body, "model": MODEL}, headers=key)
    assert refused.status_code == 400, refused.text


def test_a_key_works_until_it_is_revoked(owner: Owner) -> None:
    identity, key = owner.make_key("short-lived")
    assert owner.http.get("/v1/models", headers=key).status_code == 200
    revoked = owner.http.delete(f"/api/v1/keys/{identity}", headers=owner.headers)
    assert revoked.status_code == 200
    assert owner.http.get("/v1/models", headers=key).status_code == 401


async def test_a_request_is_a_row_in_the_audit(node: Node, owner: Owner) -> None:
    _, key = owner.make_key("audit")
    answer = owner.http.post(CHAT, json=QUESTION, headers=key)
    row = await _audit_row(node, answer.headers["x-request-id"])
    assert (row["outcome"], row["model"]) == ("succeeded", MODEL)
    assert row["completion_tokens"] == answer.json()["usage"]["completion_tokens"]


async def _audit_row(node: Node, request_id: str) -> Any:
    address = node.cluster.addresses["headrace-postgres"]
    connection = await asyncpg.connect(host=address, user="headrace", database="headrace")
    query = "SELECT * FROM audit.events WHERE request_id = $1 AND writer LIKE 'gateway/%'"
    try:
        async with asyncio.timeout(DELIVERY_SECONDS):
            # Delivery is asynchronous and tells nobody.
            while not (rows := await connection.fetch(query, request_id)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
    [row] = rows
    return row


def test_nothing_is_logged_that_is_no_json_or_an_error(node: Node, owner: Owner) -> None:
    for name, running in node.running.items():
        lines = [json.loads(line) for line in podman("logs", running.id).splitlines()]
        assert {line["level"] for line in lines} <= {"info", "warning"}, name
        assert "ready" in {line["event"] for line in lines}


def test_told_to_stop_each_ends_by_itself_and_starts_again(
    node: Node, report: Callable[[str], None]
) -> None:
    """Alone, so that the time is its own: what it needs is there."""
    for name, running in sorted(node.running.items()):
        assert running.stop() == 0
        running.start_again()
        asyncio.run(running.ready())
        report(f"{name}: ready {running.ready_seconds:.1f} s after its start")
    assert all(running.ready_seconds < 60 for running in node.running.values())
