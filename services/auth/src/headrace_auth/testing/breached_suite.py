"""The suite that every BreachedPasswords must pass; each adapter's test class inherits it."""

import pytest

from headrace_auth.ports import BreachedPasswords

LISTED = ("1qaz2wsx3edc", "leavemealone", "qwertyuiop", "dragon")


class BreachedPasswordsSuite:
    """Subclasses provide a fixture `breached` that knows all of LISTED."""

    @pytest.mark.parametrize("password", LISTED)
    def test_a_listed_password_is_known_in_any_case(
        self, breached: BreachedPasswords, password: str
    ) -> None:
        assert breached.contains(password)
        assert breached.contains(password.upper())

    @pytest.mark.parametrize(
        "password",
        ["", "correct horse battery staple", "1qaz2wsx3edcx", "дракон", "\0", "x" * 1024],
    )
    def test_another_password_is_unknown(self, breached: BreachedPasswords, password: str) -> None:
        assert not breached.contains(password)
