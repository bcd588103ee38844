"""Accounts in PostgreSQL: what comes at once ends as if it came one after the other."""

import pytest

from headrace_auth.testing.account_suite import AccountRacesSuite
from headrace_auth.testing.accounts import AccountWorld


@pytest.fixture
def world(accounts_in_postgres: AccountWorld) -> AccountWorld:
    return accounts_in_postgres


class TestAccountsInPostgres(AccountRacesSuite):
    pass
