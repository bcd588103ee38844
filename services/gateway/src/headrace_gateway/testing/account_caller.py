"""Calls the account side as the gateway does, without an HTTP request around it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.ports import Accounts

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST = Exchange("request", Activity.ADMINISTRATION, "POST /test", "192.0.2.1", "", NOW, 0.0)


@dataclass(frozen=True, slots=True)
class AccountCaller:
    """Somebody, or nobody while there is no credential."""

    accounts: Accounts
    credential: str = ""
    source_address: str = REQUEST.source_address

    async def call(self, name: str, /, **fields: Any) -> dict[str, Any]:
        """The fields of the answer; raises HeadraceError."""
        exchange = replace(REQUEST, credential=self.credential, source_address=self.source_address)
        return dict((await self.accounts.call(name, fields, exchange)).fields)

    async def logged_in(self, email: str, password: str) -> "AccountCaller":
        """The same with a person's access token; raises HeadraceError."""
        answer = await self.call("SessionService/Login", email=email, password=password)
        return replace(self, credential=answer["tokens"]["access_token"])
