"""What auth measures beside its calls, exported from zero so that absence means a fault."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType

from prometheus_client import CollectorRegistry, Counter

from headrace_common.errors import HeadraceError, Kind

OUTCOME_OF_KIND = MappingProxyType(
    {
        Kind.INVALID: "refused",
        Kind.UNAUTHENTICATED: "refused",
        Kind.LIMITED: "refused",
        Kind.OVERLOADED: "overloaded",
        Kind.UNAVAILABLE: "unavailable",
    }
)
OUTCOMES = ("ok", "refused", "overloaded", "unavailable", "failed")


class AuthMetrics:
    """Counters of logins and resolutions; use each one around the act with `counting`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.logins = Counter(
            "headrace_auth_logins", "Password logins that ended.", ["outcome"], registry=registry
        )
        self.federated_logins = Counter(
            "headrace_auth_federated_logins",
            "Exchanges of login codes, the last step of logins through identity providers.",
            ["outcome"],
            registry=registry,
        )
        self.resolutions = Counter(
            "headrace_auth_resolutions",
            "Credentials that were resolved or refused.",
            ["outcome"],
            registry=registry,
        )
        for counter in (self.logins, self.federated_logins, self.resolutions):
            for outcome in OUTCOMES:
                counter.labels(outcome)


@contextmanager
def counting(counter: Counter) -> Iterator[None]:
    """Count the block by how it ends."""
    outcome = "failed"
    try:
        yield
        outcome = "ok"
    except HeadraceError as error:
        outcome = OUTCOME_OF_KIND.get(error.kind, outcome)
        raise
    finally:
        counter.labels(outcome).inc()
