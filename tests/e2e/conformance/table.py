"""`docs/conformance.md`: the list, and what each client saw."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from tests.e2e.conformance.checks import ABSENT, TOKENS, Check, Outcome

HEAD = f"""# What OpenAI's clients see

Written by `make docs` from a run of the official clients against the local stack and its real
models; `make test` compares it. Each line is one check: a parameter that is absent (*default*), at
a bound or in an unusual form (*edge*), or refused. A refusal is an exception of the class that the
client has for its status, with OpenAI's codes. *sent* is what is laid over a plain request, which
has temperature 0 and at most {TOKENS} tokens. The models are SmolLM2-135M, whose chat template
knows no tools, and all-MiniLM-L6-v2. The keys `one_model`, `no_scope` and `once` may use one model
alone, lack the scope for models, and may ask once a minute. Why it is so is in
[ADR 33](adr/0033-openais-parameters-are-honoured-or-refused.md).

| client | version | checks | as expected |
|---|---|---|---|
"""
MOST_CHARACTERS = 60


@dataclass(frozen=True)
class Run:
    """What one client saw."""

    client: str
    version: str
    outcomes: Sequence[Sequence[Outcome]]

    def faults(self, checks: Sequence[Check]) -> list[str]:
        """What is wrong with each check; nothing where it is as expected."""
        return [
            check.expected.explain(list(outcomes))
            for check, outcomes in zip(checks, self.outcomes, strict=True)
        ]


def document(checks: Sequence[Check], runs: Sequence[Run]) -> str:
    """The whole file."""
    found = [run.faults(checks) for run in runs]
    lines = [
        _line(run.client, run.version, str(len(checks)), str(faults.count("")))
        for run, faults in zip(runs, found, strict=True)
    ]
    rows = list(zip(checks, *found, strict=True))
    for method, group in groupby(rows, key=lambda row: row[0].method):
        lines += ["", f"## {method}", ""]
        lines += [_line("parameter", "case", "sent", "comes back", *(run.client for run in runs))]
        lines += ["|---|---|---|---|" + "---|" * len(runs)]
        lines += [_row(check, faults) for check, *faults in group]
    return HEAD + "\n".join(lines) + "\n"


def _row(check: Check, faults: Sequence[str]) -> str:
    seen = (fault or "as expected" for fault in faults)
    cells = (check.parameter, check.case, _sent(check), check.expected.says, *seen)
    return _line(*(cell.replace("|", "\\|") for cell in cells))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _sent(check: Check) -> str:
    given = {name: value for name, value in check.send.items() if value != ABSENT}
    text = json.dumps(given, ensure_ascii=False)[1:-1]
    if len(text) > MOST_CHARACTERS:
        text = text[:MOST_CHARACTERS] + "…"
    told = [f"`{text}`"] if text else []
    told += [f"no `{name}`" for name in check.send if name not in given]
    if check.key != "own":
        told.append(f"the key `{check.key}`")
    return ", ".join(told)
