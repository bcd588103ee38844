"""Which servers answer for a public model id: weighted targets in groups, tried in their order."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from headrace_common.errors import HeadraceError, Reason

COHORT_HEADER = "x-headrace-cohort"
COHORT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
COHORT_RULE = (
    "must be 1 to 64 letters, digits, dots, dashes and underscores, "
    "and begin with a letter or a digit"
)
DEFAULT_WEIGHT = 100
MAXIMUM_WEIGHT = 1_000_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A Service that runs models, never one of its pods; with a cohort, a part of that Service."""

    address: str
    """`host:port`."""
    cohort: str = ""
    """For example `canary`; calls carry it, so that a mesh can send them to that part."""

    @property
    def name(self) -> str:
        """For logs and metrics."""
        return f"{self.address}/{self.cohort}" if self.cohort else self.address


@dataclass(frozen=True, slots=True)
class Target:
    """A model at an endpoint, and its share of the requests that its group gets."""

    endpoint: Endpoint
    model: str
    """Its id there."""
    weight: int = DEFAULT_WEIGHT
    """0 for a target that only those get who name its cohort."""


Group = tuple[Target, ...]
RouteTable = Mapping[str, tuple[Group, ...]]
"""Public model id to groups; a later group is asked when no target of an earlier one can answer."""


def single_targets(addresses: Mapping[str, str]) -> RouteTable:
    """The simplest table: for each model one server, which knows it by the same id."""
    return {model: ((Target(Endpoint(address), model),),) for model, address in addresses.items()}


def without_other_models(groups: Sequence[Group]) -> tuple[Group, ...]:
    """The groups as far as they serve what the first one does.

    Vectors of different models must not meet in one index, so embeddings fall back to no other.
    """
    models = {target.model for target in groups[0]}
    return tuple(tuple(t for t in group if t.model in models) for group in groups)


def check_cohort(cohort: str) -> None:
    """Raise INVALID_FIELD unless it can be a cohort's name or a session's key; empty is neither."""
    if cohort and not COHORT.fullmatch(cohort):
        raise HeadraceError(
            Reason.INVALID_FIELD,
            f"{COHORT_HEADER} {COHORT_RULE}.",
            param=COHORT_HEADER,
        )


def in_order(group: Group, key: str, cohort: str) -> list[Target]:
    """The targets that may be asked, best first: those of the named cohort, then by weight.

    The same key always has the same order, and of all keys each target is first for its share of
    the weights. Raising one weight moves keys to that target only (weighted rendezvous hashing), so
    that a growing canary keeps those whom it has.
    """
    named = [target for target in group if cohort and target.endpoint.cohort == cohort]
    others = [target for target in group if target.weight and target not in named]
    return _by_score(named, key) + _by_score(others, key)


def _by_score(targets: list[Target], key: str) -> list[Target]:
    if len(targets) < 2:
        return targets
    return sorted(targets, key=lambda target: _score(target, key), reverse=True)


def _score(target: Target, key: str) -> float:
    name = f"{target.endpoint.name} {target.model} {key}"
    number = int.from_bytes(blake2b(name.encode(), digest_size=6).digest())
    uniform = (number + 0.5) / 2**48  # exact, and never 0 or 1
    return -target.weight / math.log(uniform)
