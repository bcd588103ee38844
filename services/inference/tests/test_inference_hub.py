"""Models from a hub: names that are read right, and what is fetched by the hub's protocol."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from headrace_inference.weights.digest import directory_digest
from headrace_inference.weights.hub import download_from_hub, fetch_model_directory
from headrace_inference.weights.source import PreparationError

CONTENT = b"GGUF of a small model"
DIRECTORY = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "tokenizer.json": b"tokens",
    "1_Pooling/config.json": b"pooling",
}
FILES = DIRECTORY | {
    "folder/model.gguf": CONTENT,
    "pytorch_model.bin": b"a pickle, which may run code",
    "README.md": b"about it",
}
COMMIT = "1" * 40
FILE = re.compile(rf"/owner/model/resolve/(main|{COMMIT})/(.+)")
INFO = "/api/models/owner/model/revision/main"
TREE = f"/api/models/owner/model/tree/{COMMIT}"


class Hub(BaseHTTPRequestHandler):
    """Serves the files of one repository as a hub does, and tells which there are."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self.wfile.write(self._answer())

    def _answer(self) -> bytes:
        path = urlsplit(self.path).path
        if path == INFO:
            return self._told({"id": "owner/model", "sha": COMMIT})
        if path == TREE:
            return self._told([_entry(name, content) for name, content in FILES.items()])
        asked = FILE.fullmatch(path)
        content = FILES.get(asked[2]) if asked else None
        if content is None:
            missing = "RepoNotFound" if path.startswith("/api") else "EntryNotFound"
            return self._send(404, b"", {"x-error-code": missing})
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        return self._send(200, content, {"etag": etag, "x-repo-commit": COMMIT})

    def _told(self, value: Any) -> bytes:
        return self._send(200, json.dumps(value).encode(), {"content-type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> bytes:
        self.send_response(status)
        for name, value in (headers | {"content-length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        return body

    def log_message(self, *_: object) -> None:
        return


def _entry(name: str, content: bytes) -> dict[str, Any]:
    oid = hashlib.sha256(content).hexdigest()
    return {"type": "file", "path": name, "size": len(content), "oid": oid}


@contextmanager
def running_hub() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def hub() -> Iterator[str]:
    with running_hub() as address:
        yield address


def test_a_file_is_fetched(hub: str, tmp_path: Path) -> None:
    path = download_from_hub("hf://owner/model/folder/model.gguf", tmp_path, hub)
    assert path.read_bytes() == CONTENT


def test_a_file_that_is_not_there_is_one_sentence(hub: str, tmp_path: Path) -> None:
    with pytest.raises(PreparationError, match=r"hf://owner/model/none.gguf cannot be fetched"):
        download_from_hub("hf://owner/model/none.gguf", tmp_path, hub)


@pytest.mark.parametrize(
    "name", ["hf://model.gguf", "hf://owner/model", "hf://owner/model/model.bin", "hf:///a/b.gguf"]
)
def test_a_name_that_is_none_says_what_it_should_be(name: str, tmp_path: Path) -> None:
    with pytest.raises(PreparationError, match=r"hf://OWNER/REPOSITORY/FILE\.gguf"):
        download_from_hub(name, tmp_path)


def test_of_a_repository_the_files_that_make_a_model_are_fetched(hub: str, tmp_path: Path) -> None:
    directory = fetch_model_directory("owner/model", hub, tmp_path)
    files = [path for path in directory.rglob("*") if path.is_file()]
    got = {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}
    assert got == DIRECTORY


def test_a_fetched_repository_has_the_digest_of_its_files_by_themselves(
    hub: str, tmp_path: Path
) -> None:
    directory = fetch_model_directory("owner/model", hub, tmp_path / "cache")
    for name, content in DIRECTORY.items():
        path = tmp_path / "plain" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert directory_digest(directory) == directory_digest(tmp_path / "plain")


def test_what_was_fetched_once_serves_while_the_hub_is_away(tmp_path: Path) -> None:
    with running_hub() as address:
        directory = fetch_model_directory("owner/model", address, tmp_path)
    assert fetch_model_directory("owner/model", address, tmp_path) == directory
    with pytest.raises(PreparationError, match="check name and network"):
        fetch_model_directory("owner/model", address, tmp_path / "elsewhere")


def test_a_repository_that_is_not_there_is_one_sentence(hub: str, tmp_path: Path) -> None:
    with pytest.raises(PreparationError, match="cannot be fetched") as caught:
        fetch_model_directory("owner/none", hub, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_directory_is_served_where_it_is(tmp_path: Path) -> None:
    assert fetch_model_directory(str(tmp_path)) == tmp_path
    with pytest.raises(PreparationError, match="--format transformers"):
        fetch_model_directory(str(tmp_path / "none"))
