"""The stack's secrets: made once, kept, and completed where an older version made them."""

import json
from pathlib import Path

from headrace_local.credentials import Credentials


def test_secrets_are_made_once(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    made = Credentials.load_or_generate(path)
    assert made.answer_signing_key
    assert Credentials.load_or_generate(path) == made
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_an_older_file_lacks_is_added_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    old = {"email": "a@b.example", "password": "p", "key_encryption_key": "k", "api_key": "hr_1"}
    path.write_text(json.dumps(old))
    known = Credentials.load_or_generate(path)
    assert (known.password, known.key_encryption_key, known.api_key) == ("p", "k", "hr_1")
    assert known.answer_signing_key
    assert Credentials.load(path) == known
