"""Accounts in memory: what comes at once ends as if it came one after the other."""

from headrace_auth.testing.account_suite import AccountRacesSuite


class TestAccountsInMemory(AccountRacesSuite):
    pass
