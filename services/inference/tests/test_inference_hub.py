"""Models from a hub: names that are read right, and a file fetched by the hub's protocol."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from headrace_inference.weights.hub import download_from_hub
from headrace_inference.weights.source import PreparationError

CONTENT = b"GGUF of a small model"
PATH = "/owner/model/resolve/main/folder/model.gguf"


class Hub(BaseHTTPRequestHandler):
    """Serves one file as a hub does."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        if self._answer():
            self.wfile.write(CONTENT)

    def _answer(self) -> bool:
        known = self.path == PATH
        self.send_response(200 if known else 404)
        if known:
            self.send_header("etag", f'"{hashlib.sha256(CONTENT).hexdigest()}"')
            self.send_header("x-repo-commit", "1" * 40)
            self.send_header("content-length", str(len(CONTENT)))
        else:
            self.send_header("x-error-code", "EntryNotFound")
            self.send_header("content-length", "0")
        self.end_headers()
        return known

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def hub() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


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
