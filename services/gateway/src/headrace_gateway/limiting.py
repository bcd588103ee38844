"""Puts admission's counting together for `app.py`: in Redis, alone without it, and its leases."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from headrace_common.clock import Clock
from headrace_common.lateness import Lateness
from headrace_common.runtime import Runtime
from headrace_gateway.adapters.fallback_limiter import FallbackLimiter, FallbackRules
from headrace_gateway.adapters.memory_limiter import MemoryLimiter
from headrace_gateway.adapters.redis_limiter import RedisLimiter
from headrace_gateway.domain.admission import Settlement
from headrace_gateway.domain.breaker import Breaker
from headrace_gateway.ports import Limiter
from headrace_gateway.settings import GatewaySettings
from headrace_gateway.stages.killed import settle_killed
from headrace_gateway.stages.leases import Leases, warn_of_eviction


def start_limiter(
    settings: GatewaySettings,
    runtime: Runtime,
    clock: Clock,
    registry: CollectorRegistry,
    lateness: Lateness,
    unsettled: Sequence[Settlement],
) -> FallbackLimiter:
    """A limiter over the admission Redis, whose connection ends with the runtime.

    It settles first what an earlier process has left unsettled.
    """
    shared = RedisLimiter(
        settings.admission_redis_url.get_secret_value(),
        timeout_seconds=settings.admission_timeout_seconds,
        lease_seconds=settings.admission_lease_seconds,
        lateness=lateness,
    )
    runtime.on_stop("redis", shared.close)
    runtime.start_task("eviction check", warn_of_eviction(shared.may_forget))
    runtime.start_task("killed requests", settle_killed(unsettled, shared))
    return with_fallback(shared, settings, clock, registry, lateness)


def with_fallback(
    shared: Limiter,
    settings: GatewaySettings,
    clock: Clock,
    registry: CollectorRegistry,
    lateness: Lateness,
) -> FallbackLimiter:
    """The shared limiter, and beside it what counts alone while that one does not answer."""
    breaker = Breaker(
        clock,
        failures=settings.admission_failures,
        pause_seconds=settings.admission_retry_seconds,
    )
    Gauge(
        "headrace_gateway_limits_local",
        "1 while this gateway counts limits alone, because they cannot be counted together.",
        registry=registry,
    ).set_function(lambda: breaker.is_open)
    rules = FallbackRules(
        replicas=settings.replicas,
        spend_uncounted=settings.budgets_without_redis == "pass",
        slow_seconds=settings.admission_slow_seconds,
    )
    given_up = Counter(
        "headrace_gateway_settlements_given_up",
        "Requests left to their leases, because too many waited to be settled.",
        registry=registry,
    )
    local = MemoryLimiter(clock, lease_seconds=settings.admission_lease_seconds)
    limiter = FallbackLimiter(shared, local, breaker, clock, rules, lateness, given_up.inc)
    Gauge(
        "headrace_gateway_unsettled",
        "Requests that ended and are settled when limits can be counted together again.",
        registry=registry,
    ).set_function(lambda: limiter.unsettled)
    return limiter


def start_leases(settings: GatewaySettings, runtime: Runtime, limiter: Limiter) -> Leases:
    """Leases that are renewed until the runtime stops."""
    leases = Leases(limiter, lease_seconds=settings.admission_lease_seconds)
    runtime.start_task("leases", leases.keep())
    return leases
