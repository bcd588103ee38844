"""Runs the conformance list with the official Python client."""

import inspect
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

import openai
from tests.e2e.conformance.checks import Check, Key, Outcome


def run_python(
    client: openai.OpenAI, keys: Mapping[Key, str], checks: Iterable[Check]
) -> list[list[Outcome]]:
    """The outcomes of each check, in order."""
    clients = {name: client.with_options(api_key=key) for name, key in keys.items()}
    return [
        [_run(clients[check.key], check) for _ in range(check.expected.times)] for check in checks
    ]


def _run(client: openai.OpenAI, check: Check) -> Outcome:
    method: Any = attrgetter(check.method)(client)
    known = inspect.signature(method).parameters
    given = {name: value for name, value in check.body.items() if name in known}
    others = {name: value for name, value in check.body.items() if name not in known}
    try:
        # What the client's own types do not know is sent as callers send it to other servers.
        answer = method(**given, **({"extra_body": others} if others else {}))
        if isinstance(answer, openai.Stream):
            return Outcome(200, chunks=[chunk.to_dict(warnings=False) for chunk in answer])
        return Outcome(200, answer=answer.to_dict(warnings=False))
    except openai.APIStatusError as refused:
        return Outcome(refused.status_code, error=refused.body, kind=type(refused).__name__)
