"""A file that may change: told when it has, and of a fault once."""

from pathlib import Path

import pytest

from headrace_gateway.adapters.watched_file import WatchedFile
from headrace_gateway.adapters.yaml_reader import MAXIMUM_BYTES, FileFaultError


def parse(content: bytes, source: str) -> str:
    if content.startswith(b"bad"):
        raise FileFaultError(source, 1, "file", "is bad")
    return content.decode()


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(b"first")
    return file


async def test_what_has_changed_is_told_once(path: Path) -> None:
    file = WatchedFile(path, parse)
    assert file.load() == "first"
    assert await file.look() is None
    write(path, b"second")
    assert await file.look() == "second"
    assert await file.look() is None


async def test_each_fault_is_told_once(path: Path) -> None:
    file = WatchedFile(path, parse)
    file.load()
    for content in (b"bad", b"bad again"):
        write(path, content)
        with pytest.raises(FileFaultError, match=":1: file: is bad"):
            await file.look()
        assert await file.look() is None


async def test_what_is_back_as_it_was_is_told_again(path: Path) -> None:
    """Whoever was told of the fault hears that it is over."""
    file = WatchedFile(path, parse)
    file.load()
    remove(path)
    with pytest.raises(FileFaultError, match="cannot be read: No such file"):
        await file.look()
    assert await file.look() is None
    write(path, b"first")
    assert await file.look() == "first"


def test_no_more_is_read_than_may_be_there(path: Path) -> None:
    write(path, b"x" * (MAXIMUM_BYTES * 2))
    assert len(WatchedFile(path, parse).load()) == MAXIMUM_BYTES + 1
