"""Lists of breached passwords: in memory, as shipped, in a file, and several as one."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_auth.adapters.breached_passwords import (
    BreachedPasswordFile,
    BreachedPasswordLists,
    MemoryBreachedPasswords,
    common_passwords,
)
from headrace_auth.domain.password_policy import check_new_password
from headrace_auth.testing.breached_suite import LISTED, BreachedPasswordsSuite
from headrace_common.errors import HeadraceError, Reason


def digest(password: str) -> str:
    return hashlib.sha1(password.encode()).hexdigest().upper()


def write(path: Path, passwords: Iterable[str], *, line: str = "{}:{}", end: str = "\r\n") -> Path:
    """A file as "Have I Been Pwned" offers it, or in another form."""
    lines = (line.format(digest(word), n) for n, word in enumerate(sorted(passwords, key=digest)))
    path.write_bytes("".join(text + end for text in lines).encode())
    return path


@pytest.fixture(scope="module")
def shipped() -> MemoryBreachedPasswords:
    return common_passwords()


class TestMemory(BreachedPasswordsSuite):
    @pytest.fixture
    def breached(self) -> MemoryBreachedPasswords:
        return MemoryBreachedPasswords(word.title() for word in LISTED)


class TestCommonPasswords(BreachedPasswordsSuite):
    @pytest.fixture
    def breached(self, shipped: MemoryBreachedPasswords) -> MemoryBreachedPasswords:
        return shipped

    @pytest.mark.parametrize(
        "password",
        ["Password1234", "dragon-dragon!", "Welcome2026!!", "internationally", "123456789012"],
    )
    def test_what_people_make_of_common_words_is_known(
        self, shipped: MemoryBreachedPasswords, password: str
    ) -> None:
        with pytest.raises(HeadraceError, match="attackers"):
            check_new_password(password, is_breached=shipped.contains)

    @given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=20))
    def test_random_passwords_are_hardly_ever_known(
        self, shipped: MemoryBreachedPasswords, password: str
    ) -> None:
        # What is left between digits is a word only if it is short or repeats itself.
        core = password.strip("0123456789")
        assert not shipped.contains(password) or len(set(core)) < 16


class TestFile(BreachedPasswordsSuite):
    @pytest.fixture
    def breached(self, tmp_path: Path) -> BreachedPasswordFile:
        return BreachedPasswordFile(write(tmp_path / "list", LISTED))


class TestSeveralLists(BreachedPasswordsSuite):
    @pytest.fixture
    def breached(self, tmp_path: Path) -> BreachedPasswordLists:
        file = BreachedPasswordFile(write(tmp_path / "list", LISTED[:2]))
        return BreachedPasswordLists(file, MemoryBreachedPasswords(LISTED[2:]))


@settings(max_examples=50)
@given(passwords=st.sets(st.text(max_size=20), max_size=40), data=st.data())
def test_a_file_knows_exactly_what_is_in_it(
    tmp_path_factory: pytest.TempPathFactory, passwords: set[str], data: st.DataObject
) -> None:
    line = data.draw(st.sampled_from(["{}", "{}:{}", "{}:{}0000000000"]))
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    path = write(tmp_path_factory.mktemp("list") / "list", passwords, line=line, end=end)
    if data.draw(st.booleans()):
        path.write_bytes(path.read_bytes().removesuffix(end.encode()))
    listed = BreachedPasswordFile(path)
    for password in passwords:
        assert listed.contains(password)
    other = data.draw(st.text(max_size=20))
    assert listed.contains(other) is not passwords.isdisjoint({other, other.lower()})


def test_digests_in_lower_case_are_read_too(tmp_path: Path) -> None:
    path = write(tmp_path / "list", LISTED)
    path.write_bytes(path.read_bytes().lower())
    assert BreachedPasswordFile(path).contains(LISTED[0])


def test_a_large_file_takes_few_reads(tmp_path: Path) -> None:
    words = [f"word {n}" for n in range(100_000)]
    listed = BreachedPasswordFile(write(tmp_path / "list", words))
    assert all(listed.contains(word) for word in words[::1000])
    assert not listed.contains("another word")


@pytest.mark.parametrize(
    "content",
    [
        b"password\ndragon\n",
        f"{digest('a')}\n\n{digest('a')}\n".encode(),
        f"{digest('a')} 3\n".encode(),
        b"F" * 40 + b"\n" + b"0" * 40 + b"\n",
        b"0" * 400,
        b"\xff" * 100,
        b"8846F7EAEE8FB117AD06BDD830B7586C\n",  # an NTLM digest, the other list on offer
    ],
)
def test_a_file_that_would_know_nothing_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="sorted lines of SHA-1"):
        BreachedPasswordFile(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        BreachedPasswordFile(tmp_path / "list")


def test_a_file_that_vanishes_is_an_outage(tmp_path: Path) -> None:
    path = write(tmp_path / "list", LISTED)
    listed = BreachedPasswordFile(path)
    path.unlink()
    with pytest.raises(HeadraceError) as caught:
        listed.contains(LISTED[0])
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert str(path) not in caught.value.message


def test_a_file_may_be_replaced_while_it_is_used(tmp_path: Path) -> None:
    path = write(tmp_path / "list", LISTED)
    listed = BreachedPasswordFile(path)
    write(tmp_path / "new", ["another"]).rename(path)
    assert listed.contains("another")
    assert not listed.contains(LISTED[0])


def test_an_empty_file_knows_nothing(tmp_path: Path) -> None:
    assert not BreachedPasswordFile(write(tmp_path / "list", [])).contains("")
