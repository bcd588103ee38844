"""The digest of a model that is a directory: what is in it, and what is not."""

import hashlib
from pathlib import Path

from headrace_inference.weights.digest import directory_digest


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_the_digest_is_of_names_and_contents_and_not_of_notes(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("1")
    first = directory_digest(tmp_path)
    assert directory_digest(tmp_path) == first
    (tmp_path / ".hidden").write_text("x")
    assert directory_digest(tmp_path) == first
    (tmp_path / "b.json").write_text("1")
    second = directory_digest(tmp_path)
    (tmp_path / "b.json").rename(tmp_path / "c.json")
    assert len({first, second, directory_digest(tmp_path)}) == 3


def test_files_in_folders_count_by_their_paths_and_hidden_folders_do_not(tmp_path: Path) -> None:
    write(tmp_path / "config.json", "{}")
    flat = directory_digest(tmp_path)
    write(tmp_path / ".cache" / "config.json", "x")
    write(tmp_path / "1_Pooling" / ".cache" / "config.json", "x")
    assert directory_digest(tmp_path) == flat
    write(tmp_path / "1_Pooling" / "config.json", "mean")
    mean = directory_digest(tmp_path)
    assert directory_digest(tmp_path) == mean
    write(tmp_path / "1_Pooling" / "config.json", "first token")
    first = directory_digest(tmp_path)
    (tmp_path / "1_Pooling").rename(tmp_path / "2_Pooling")
    assert len({flat, mean, first, directory_digest(tmp_path)}) == 4


def test_the_order_is_that_of_whole_paths_and_links_are_what_they_point_to(tmp_path: Path) -> None:
    model, elsewhere = tmp_path / "model", tmp_path / "elsewhere"
    write(elsewhere / "blob", "three")
    write(model / "a.json", "one")
    write(model / "a" / "b.json", "two")
    (model / "c.json").symlink_to(elsewhere / "blob")
    (model / "d").symlink_to(elsewhere)
    lines = {"a.json": b"one", "a/b.json": b"two", "c.json": b"three", "d/blob": b"three"}
    told = "".join(f"{sha256(content)}  {path}\n" for path, content in lines.items())
    assert directory_digest(model) == sha256(told.encode())
