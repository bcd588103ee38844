"""The document shows every call as it is."""

import os
from pathlib import Path

from tests.api.document import document
from tests.api.scenario import played

from headrace_gateway.http.accounts.tables import TABLES

FILE = Path(__file__).parents[2] / "docs/api/auth.md"


async def test_every_call_is_documented_as_it_is() -> None:
    async with played() as recorder:
        shown = recorder.shown
    made = {(each.route.method, each.route.path) for each in shown}
    routes = {(route.method, route.path) for routes in TABLES.values() for route in routes}
    assert routes - made == set()
    text = document(shown, recorder.standard)
    if os.environ.get("HEADRACE_WRITE_DOCS"):
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(text)
    assert text == FILE.read_text(), "docs/api/auth.md is out of date: run `make docs`"
