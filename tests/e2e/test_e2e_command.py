"""`headrace` against the whole stack: an administrator's day at the terminal."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from headrace_local.access import Access

HEADRACE = Path(sys.executable).with_name("headrace")
CLI_README = Path(__file__).parents[2] / "cli" / "README.md"
Headrace = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def stranger(access: Access, tmp_path: Path) -> Headrace:
    """The command with a configuration folder of its own."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HEADRACE")},
        "XDG_CONFIG_HOME": str(tmp_path),
        "HEADRACE_URL": access.url,
        "HEADRACE_CA_FILE": str(access.ca_file),
        "HEADRACE_EMAIL": access.email,
        "HEADRACE_PASSWORD": access.password,
        "COLUMNS": "80",
    }

    def headrace(*arguments: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [HEADRACE, *arguments],
            env=environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == code, result.stdout + result.stderr
        assert "Traceback" not in result.stderr
        return result

    return headrace


@pytest.fixture
def headrace(stranger: Headrace) -> Headrace:
    """Logged in."""
    stranger("login")
    return stranger


def _json(result: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(result.stdout)


def _works(http: httpx.Client, secret: str) -> bool:
    headers = {"authorization": f"Bearer {secret}"}
    return http.get("/v1/models", headers=headers).status_code == 200


def test_a_login_begins_renews_itself_and_ends(
    stranger: Headrace, access: Access, tmp_path: Path
) -> None:
    assert "Run `headrace login` first" in stranger("me", code=1).stderr
    stranger("login", code=1, HEADRACE_PASSWORD="not the password")
    stranger("login", code=3, HEADRACE_URL="https://localhost:1")
    stranger("login")
    [file] = tmp_path.rglob("session.json")
    assert file.stat().st_mode & 0o077 == 0
    session = json.loads(file.read_text())
    file.write_text(json.dumps(session | {"access_token": "expired"}))
    assert _json(stranger("me", "--json"))["email"] == access.email
    assert json.loads(file.read_text())["refresh_token"] != session["refresh_token"]
    stranger("logout")
    stranger("me", code=1)


def test_a_key_is_made_changed_rotated_and_revoked(headrace: Headrace, http: httpx.Client) -> None:
    made = headrace("keys", "create", "from the command line", "--expires-at", "1d")
    first, key_id = made.stdout.strip(), made.stderr.split(":")[0].split()[0]
    assert _works(http, first)
    table = headrace("keys", "list").stdout
    assert key_id in table
    assert max(map(len, table.splitlines())) <= 80
    headrace("keys", "update", key_id, "--requests-per-minute", "90", "--budget", "5 EUR month")
    shown = _json(headrace("keys", "show", key_id, "--json"))
    assert (shown["requests_per_minute"], shown["budget"]["amount_micros"]) == (90, 5_000_000)
    second = headrace("keys", "rotate", key_id, "--overlap", "1h").stdout.strip()
    assert _works(http, first)
    assert _works(http, second)
    headrace("keys", "revoke", key_id)
    assert not _works(http, second)
    missing = headrace("keys", "revoke", "nothing", code=1).stderr
    assert len(missing.splitlines()) == 1
    assert "request " in missing


def test_a_dry_run_changes_nothing(headrace: Headrace, http: httpx.Client) -> None:
    before = _json(headrace("keys", "list", "--json"))
    headrace("keys", "create", "never", "--dry-run")
    assert [each["id"] for each in _json(headrace("keys", "list", "--json"))] == [
        each["id"] for each in before
    ]
    made = headrace("keys", "create", "spared")
    key_id = made.stderr.split(":")[0].split()[0]
    for act in (["rotate"], ["update", "--name", "other"], ["revoke"]):
        plan = headrace("keys", act[0], key_id, *act[1:], "--dry-run")
        assert f"/api/v1/keys/{key_id}" in plan.stderr
        assert "spared" in plan.stdout
    assert _works(http, made.stdout.strip())
    assert _json(headrace("keys", "show", key_id, "--json"))["name"] == "spared"
    headrace("keys", "revoke", key_id)


def test_somebody_is_invited_and_uninvited(headrace: Headrace) -> None:
    email = f"{uuid.uuid4().hex}@example.org"
    made = _json(headrace("users", "invite", email, "--role", "member", "--json"))
    assert email in {each["email"] for each in _json(headrace("invitations", "list", "--json"))}
    plan = _json(headrace("invitations", "revoke", made["id"], "--dry-run", "--json"))
    assert plan["present"]["email"] == email
    headrace("invitations", "revoke", made["id"])
    assert headrace("users", "list").stdout.count("\n") >= 2
    headrace("users", "invite", email, "--role", "emperor", code=1)


def test_a_team_gets_a_limit_and_a_budget_and_loses_them(headrace: Headrace) -> None:
    team = _json(headrace("teams", "create", uuid.uuid4().hex, "--json"))["id"]
    limit = ["team", "requests_per_minute"]
    headrace("limits", "set", *limit, "600", "--id", team)
    plan = _json(headrace("limits", "set", *limit, "700", "--id", team, "--dry-run", "--json"))
    assert plan["changes"] == {"amount": [600, 700]}
    [found] = _json(headrace("limits", "list", "--subject", "team", "--id", team, "--json"))
    assert found["amount"] == 600
    headrace("limits", "remove", *limit, "--id", team)
    headrace("budgets", "set", "team", "25.50", "EUR", "month", "--id", team)
    assert "25.5 " in headrace("budgets", "list", "--subject", "team", "--id", team).stdout
    headrace("budgets", "remove", "team", "month", "--id", team)
    headrace("teams", "delete", team)


def test_prices_are_set_from_a_file_and_shown(headrace: Headrace, tmp_path: Path) -> None:
    file, price = (
        tmp_path / "prices.json",
        {"model": "small", "output_micros_per_million_tokens": 9},
    )
    file.write_text(json.dumps({"currency": "EUR", "prices": [price]}))
    refused = headrace("prices", "set", str(file), code=1).stderr
    assert refused.startswith(f"{file}: ")
    assert "'prices[0].input_micros_per_million_tokens'" in refused
    file.write_text('{"currency": "EUR",\n"prices": }')
    assert f"{file}: must be JSON; line 2, column 11" in (
        headrace("prices", "set", str(file), code=2).stderr
    )
    whole = [{**price, "input_micros_per_million_tokens": 4}]
    file.write_text(json.dumps({"currency": "EUR", "prices": whole}))
    set_ = _json(headrace("prices", "set", str(file), "--json"))
    shown = headrace("prices", "show", "--json")
    assert _json(shown) == set_
    assert (set_["currency"], set_["prices"]) == ("EUR", whole)
    file.write_text(shown.stdout)
    headrace("prices", "set", str(file), "--dry-run")
    assert _json(headrace("prices", "show", "--json")) == set_
    headrace("prices", "set", str(file))
    assert _json(headrace("prices", "show", "--json"))["version"] == set_["version"] + 1
    assert "small" in headrace("prices", "show").stdout
    older = headrace("prices", "show", "--version", str(set_["version"]), "--json")
    assert _json(older) == set_
    file.write_text((CLI_README.read_text()).split("```json")[1].split("```")[0])
    headrace("prices", "set", str(file))
    assert "smollm2-135m-instruct" in headrace("prices", "show").stdout


def test_the_platforms_owner_sees_all_else(headrace: Headrace) -> None:
    assert "owner" in headrace("roles").stdout
    assert _json(headrace("orgs", "list", "--all", "--json"))
    assert " yes " in headrace("signing-keys", "list").stdout
    headrace("signing-keys", "rotate", "--dry-run")
    grants = ["--grant-type", "authorization_code", "--redirect-uri", "https://a.example.org/back"]
    client = headrace(
        "oauth-clients", "create", "portal", *grants, "--scope", "llm:invoke", "--json"
    )
    client_id = _json(client)["id"]
    assert client_id in headrace("oauth-clients", "list").stdout
    headrace("oauth-clients", "rotate-secret", client_id)
    headrace("oauth-clients", "revoke", client_id)
    refused = headrace("bootstrap", code=1, HEADRACE_BOOTSTRAP_TOKEN="t" * 40).stderr
    assert "cannot be bootstrapped" in refused
