"""The decision trace: what each stage decided about one request, and how long it took.

It tells ids and numbers: no credential, no text of a prompt or an answer, no address.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

from headrace_gateway.domain.admission import BudgetState, LimitState
from headrace_gateway.domain.completion import MODEL_CHARACTERS
from headrace_gateway.domain.exchange import Exchange

TRACE_HEADER = "x-headrace-trace"
"""`1` in a request asks for it; in an answer it is the trace."""
ASKED = "1"
PROMPT = "prompt:"
"""How decisions about prompts begin."""
MAXIMUM_DECISIONS = 20
"""A trace must fit into a header; whoever needs all of them finds them in the audit."""

Json = dict[str, Any]


def trace_of(exchange: Exchange) -> Json | None:
    """What the caller may see of an exchange that has ended; None unless it asked and may."""
    times = exchange.times
    if times is None or not times.allowed or exchange.outcome is None:
        return None
    seconds = dict(times.seconds)
    if (answered := seconds.pop("answer", None)) is not None:
        # What an event needs on its way, beyond the wait for the model.
        seconds["guard_output"] = max(0.0, answered - seconds.get("infer", 0.0))
    stages = [
        {"stage": stage, "us": round(seconds[stage] * 1e6), **decided(exchange)}
        for stage, decided in STAGES.items()
        if stage in seconds
    ]
    told: Json = {"request_id": exchange.request_id, "outcome": exchange.outcome.value}
    if exchange.error is not None:
        told["reason"] = exchange.error.reason.value
    return {**told, "stages": stages}


def trace_text(exchange: Exchange) -> str:
    """The same as compact JSON in ASCII; nothing where there is nothing to tell."""
    told = trace_of(exchange)
    return "" if told is None else json.dumps(told, separators=(",", ":"))


def _identified(exchange: Exchange) -> Json:
    return {"from": "memory" if exchange.from_memory else "auth"}


def _admitted(exchange: Exchange) -> Json:
    """Of each kind of limit the one that has least left, or that refused; and all budgets."""
    admission = exchange.admission
    if admission is None:
        return {}
    kinds = dict.fromkeys(state.limit.kind for state in admission.states)
    tightest = [state for kind in kinds if (state := admission.tightest(kind))]
    limits = [
        {
            "kind": state.limit.kind.value,
            "subject": state.limit.subject,
            "limit": state.limit.amount,
            "remaining": state.remaining,
        }
        for state in tightest
    ]
    budgets = [
        {
            "subject": state.charge.budget.subject,
            "period": state.charge.budget.period.value,
            "remaining_micros": state.remaining_micros,
        }
        for state in admission.budget_states[:MAXIMUM_DECISIONS]
    ]
    told: Json = {"limits": limits, **({"budgets": budgets} if budgets else {})}
    if admission.local:
        told["local"] = True  # by this gateway's own share
    match admission.refused_by:
        case LimitState() as refused:
            told["refused_by"] = refused.limit.kind.value
        case BudgetState():
            told["refused_by"] = "budget"
    return told


def _prompt_guarded(exchange: Exchange) -> Json:
    mine = (each for each in exchange.guard_decisions if each.startswith(PROMPT))
    return {"policy": exchange.guard_policy_version, **_decisions(mine)}


def _output_guarded(exchange: Exchange) -> Json:
    return _decisions(each for each in exchange.guard_decisions if not each.startswith(PROMPT))


def _decisions(decisions: Iterable[str]) -> Json:
    decisions = iter(decisions)
    shown = list(islice(decisions, MAXIMUM_DECISIONS))
    left_out = sum(1 for _ in decisions)
    return {"decisions": shown, **({"left_out": left_out} if left_out else {})}


def _routed(exchange: Exchange) -> Json:
    """A name that no model has may be longer."""
    return {"model": exchange.model[:MODEL_CHARACTERS], "version": exchange.model_version}


def _looked_up(exchange: Exchange) -> Json:
    return {"cache": exchange.cache_status}


def _inferred(exchange: Exchange) -> Json:
    """Which server answered is told by its cohort, never by its address."""
    told: Json = {
        "served_model": exchange.served_model,
        "cohort": exchange.cohort,
        "attempts": exchange.attempts,
        "prompt_tokens": exchange.prompt_tokens,
        "completion_tokens": exchange.completion_tokens,
    }
    if exchange.queue_seconds is not None:
        told["queue_us"] = round(exchange.queue_seconds * 1e6)
    if exchange.first_token_seconds is not None:
        told["first_token_us"] = round(exchange.first_token_seconds * 1e6)
    if exchange.cut_by is not None:
        told["cut_by"] = exchange.cut_by.value
    return told


def _nothing(_exchange: Exchange) -> Json:
    return {}


STAGES: Mapping[str, Callable[[Exchange], Json]] = MappingProxyType(
    {
        "identify": _identified,
        "read": _nothing,
        "admit": _admitted,
        "guard_prompt": _prompt_guarded,
        "route": _routed,
        "look_up": _looked_up,
        "infer": _inferred,
        "guard_output": _output_guarded,
        "settle": _nothing,
        "record": _nothing,
    }
)
"""What there is to tell of each, in the order in which requests pass them."""
