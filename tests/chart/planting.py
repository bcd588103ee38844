"""Faults that are planted into rendered objects, one at a time, to see that a check finds them."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.chart.charts import rendered
from tests.chart.objects import Object, title

REMOVED: Final = object()
"""Instead of a value: the field, or the whole object, is taken away."""


@dataclass(frozen=True, slots=True)
class Plant:
    """One fault, and what the check that is to find it says of it.

    `target` is the object's kind and name, with the way to the field after it, words and indices
    with spaces between. A `value` that can be called is given the old one.
    """

    check: str
    target: str
    value: Any
    says: str
    values: str = "ha"

    def __str__(self) -> str:
        return f"{self.check}: {self.target}"


def planted(plant: Plant) -> list[Object]:
    """All objects of a values file, with the fault in one of them."""
    wanted, *way = plant.target.split()
    objects = list(rendered(plant.values))
    index = next(i for i, item in enumerate(objects) if title(item).startswith(wanted))
    # In a mapping of one key, so that the whole object is changed as a field of it is.
    place: Any = {"object": copy.deepcopy(objects[index])}
    keys = ["object", *(int(each) if each.isdigit() else each for each in way)]
    root = place
    for key in keys[:-1]:
        place = place[key]
    _put(place, keys[-1], plant.value)
    return [*objects[:index], *root.values(), *objects[index + 1 :]]


def _put(place: Any, key: str | int, value: Any) -> None:
    if value is REMOVED:
        del place[key]
    elif callable(value):
        place[key] = value(place[key])
    else:
        place[key] = value


def renamed(old: str, new: str) -> Callable[[Object], Object]:
    """A mapping with one key called something else, as by a slip of the finger."""
    return lambda fields: {new if key == old else key: value for key, value in fields.items()}


def with_more(*items: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda there: [*there, *items]


def with_fields(**fields: Any) -> Callable[[Object], Object]:
    return lambda there: {**there, **fields}
