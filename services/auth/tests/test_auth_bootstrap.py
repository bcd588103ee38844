"""Whoever installed Headrace makes its first owner, by a token that is good for nothing after."""

import asyncio

import pytest

from headrace_auth.adapters.breached_passwords import common_passwords
from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership, Organization, User
from headrace_auth.domain.principal import Role
from headrace_auth.settings import AuthSettings
from headrace_auth.use_cases.accounts.new_passwords import NewPasswords
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.start import Bootstrap
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock

TOKEN = "t" * 40
PASSWORD = "paper lantern river stone"


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    """Empty."""
    return MemoryStore(clock)


@pytest.fixture
def new_passwords(passwords: Passwords) -> NewPasswords:
    return NewPasswords(passwords, common_passwords(), minimum_length=12)


@pytest.fixture
def bootstrap(acts: Acts, new_passwords: NewPasswords) -> Bootstrap:
    return Bootstrap(acts, new_passwords, token=TOKEN)


async def _make(
    bootstrap: Bootstrap,
    token: str = TOKEN,
    *,
    email: str = "root@acme.test",
    password: str = PASSWORD,
    organization_name: str = "",
) -> Membership:
    return await bootstrap.make_owner(
        Caller(), token, email=email, password=password, organization_name=organization_name
    )


async def _refusal(bootstrap: Bootstrap, token: str = TOKEN, **fields: str) -> HeadraceError:
    with pytest.raises(HeadraceError) as caught:
        await _make(bootstrap, token, **fields)
    return caught.value


async def test_the_token_makes_the_owner_of_the_platform(
    bootstrap: Bootstrap, store: MemoryStore, passwords: Passwords
) -> None:
    made = await _make(bootstrap, email=" Root@Acme.test", organization_name="Acme")
    [user] = store.rows[User].values()
    [organization] = store.rows[Organization].values()
    assert (user.email, organization.name, organization.platform) == (
        "root@acme.test",
        "Acme",
        True,
    )
    assert (made.user_id, made.role) == (user.user_id, Role.OWNER)
    assert await passwords.verify(user.password_hash, PASSWORD)


@pytest.mark.parametrize("token", ["", "t" * 39, "t" * 41, "T" * 40, "é" * 40])
async def test_a_wrong_token_makes_nothing(
    bootstrap: Bootstrap, store: MemoryStore, token: str
) -> None:
    assert (await _refusal(bootstrap, token)).reason is Reason.PERMISSION_DENIED
    assert User not in store.rows


@pytest.mark.parametrize("token", ["", TOKEN])
async def test_without_a_token_in_the_settings_nobody_may(
    acts: Acts, new_passwords: NewPasswords, token: str
) -> None:
    closed = Bootstrap(acts, new_passwords, token="")
    assert (await _refusal(closed, token)).reason is Reason.PERMISSION_DENIED


async def test_afterwards_the_right_token_is_refused_like_a_wrong_one(bootstrap: Bootstrap) -> None:
    wrong = await _refusal(bootstrap, "wrong")
    await _make(bootstrap)
    for token in (TOKEN, "wrong"):
        later = await _refusal(bootstrap, token, email="eve@acme.test", password="short")
        assert (later.reason, later.message, later.param) == (
            wrong.reason,
            wrong.message,
            wrong.param,
        )


async def test_one_of_several_at_once_wins(bootstrap: Bootstrap, store: MemoryStore) -> None:
    addresses = [f"root{n}@acme.test" for n in range(4)]
    results = await asyncio.gather(
        *(_make(bootstrap, email=each) for each in addresses), return_exceptions=True
    )
    assert len([each for each in results if isinstance(each, Membership)]) == 1
    assert len(store.rows[User]) == 1


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"password": "short"}, "password"),
        ({"password": "root@acme.test"}, "password"),
        ({"email": "nobody"}, "email"),
        ({"organization_name": "x" * 101}, "organization_name"),
    ],
)
async def test_what_breaks_a_rule_can_be_tried_again(
    bootstrap: Bootstrap, fields: dict[str, str], param: str
) -> None:
    assert (await _refusal(bootstrap, **fields)).param == param
    await _make(bootstrap)


def test_a_short_token_is_no_setting() -> None:
    with pytest.raises(ValueError, match="bootstrap_token") as caught:
        AuthSettings.model_validate(
            {
                "database_url": "x",
                "redis_url": "x",
                "audit_target": "x:1",
                "bootstrap_token": "t" * 31,
            }
        )
    assert "t" * 31 not in str(caught.value)
