"""Which batches and events are accepted.

The rules ask for what makes an event useful and storable, not for more: an event that is refused is
an event that its producer has to set aside.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta

from headrace_audit.domain.events import Actor, Change, ChargedBudget, Cost, Event, ModelUse
from headrace_audit.domain.json_objects import broken_rule
from headrace_common.errors import HeadraceError, Reason

MAXIMUM_EVENTS = 1000
MAXIMUM_ITEMS = 256
MAXIMUM_MICROS = 2**63 - 1
"""Of a cost: what PostgreSQL's integers hold."""
MAXIMUM_CHARACTERS = 512
"""Of any text: 2,048 bytes of UTF-8 at most, which PostgreSQL's indexes still take (2,704)."""

REQUIRED = ("writer", "request_id", "operation")


def check_batch_size(count: int) -> None:
    """Refuse, by INVALID_FIELD, an empty batch or one that is too large."""
    if not 1 <= count <= MAXIMUM_EVENTS:
        raise invalid("events", f"must be 1 to {MAXIMUM_EVENTS} events")


def check_event(event: Event, at: str) -> None:
    """Refuse, by INVALID_FIELD, an event that breaks a rule; `at` is its place in the request."""
    if event.event_id.version != 7:
        raise invalid(f"{at}.event_id", "must be a UUID of version 7")
    if event.http_status and not 100 <= event.http_status <= 599:
        raise invalid(f"{at}.http_status", "must be an HTTP status")
    for name in REQUIRED:
        if not getattr(event, name):
            raise invalid(f"{at}.{name}", "is required")
    _check_values(event, at)
    if event.actor is not None:
        _check_values(event.actor, f"{at}.actor")
    if event.model_use is not None:
        _check_values(event.model_use, f"{at}.model_use")
        if event.model_use.cost is not None:
            _check_cost(event.model_use.cost, f"{at}.model_use.cost")
    if event.change is not None:
        _check_change(event.change, f"{at}.change")


def invalid(param: str, rule: str) -> HeadraceError:
    """The refusal of a field."""
    return HeadraceError(Reason.INVALID_FIELD, f"{param} {rule}", param=param)


def _check_values(part: Event | Actor | ModelUse | ChargedBudget, at: str) -> None:
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, str):
            _check_text(value, f"{at}.{field.name}")
        elif isinstance(value, tuple):
            _check_list(value, f"{at}.{field.name}")
        elif isinstance(value, timedelta) and value < timedelta(0):
            raise invalid(f"{at}.{field.name}", "must not be negative")


def _check_cost(cost: Cost, at: str) -> None:
    _check_text(cost.currency, f"{at}.currency")
    if cost.amount_micros > MAXIMUM_MICROS:
        raise invalid(f"{at}.amount_micros", f"must be at most {MAXIMUM_MICROS}")
    if len(cost.budgets) > MAXIMUM_ITEMS:
        raise invalid(f"{at}.budgets", f"must be at most {MAXIMUM_ITEMS} items")
    for index, budget in enumerate(cost.budgets):
        _check_values(budget, f"{at}.budgets[{index}]")


def _check_change(change: Change, at: str) -> None:
    for field in fields(change):
        text = getattr(change, field.name)
        if text and (rule := broken_rule(text)) is not None:
            raise invalid(f"{at}.{field.name}", rule)


def _check_list(items: Sequence[str], at: str) -> None:
    if len(items) > MAXIMUM_ITEMS:
        raise invalid(at, f"must be at most {MAXIMUM_ITEMS} items")
    for index, item in enumerate(items):
        _check_text(item, f"{at}[{index}]")


def _check_text(text: str, at: str) -> None:
    if len(text) > MAXIMUM_CHARACTERS:
        raise invalid(at, f"must be at most {MAXIMUM_CHARACTERS} characters")
    if "\0" in text:  # PostgreSQL's texts cannot hold it
        raise invalid(at, "must not contain NUL")
