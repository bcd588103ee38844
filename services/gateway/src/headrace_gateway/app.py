"""Builds the gateway from its settings and runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import grpc
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from headrace_common.clock import Clock, SystemClock
from headrace_common.grpc_client import create_channel
from headrace_common.lateness import Lateness, start_lateness
from headrace_common.metrics import create_registry, serve_metrics
from headrace_common.runtime import Runtime, run_service
from headrace_common.spool import Limits, Spool, start_spool
from headrace_gateway.adapters.account_calls import GrpcAccounts
from headrace_gateway.adapters.audit_events import AuditClient, SpoolEventLog
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.adapters.cache_grpc import GrpcAnswerStore
from headrace_gateway.adapters.key_set import KeySet
from headrace_gateway.adapters.memory import MemoryGuardPolicies
from headrace_gateway.adapters.policy_file import PolicyFile, shipped_policies
from headrace_gateway.domain.admission import Tightening
from headrace_gateway.grpc.peers import Peers
from headrace_gateway.grpc.room import Room
from headrace_gateway.grpc.server import serve_grpc
from headrace_gateway.grpc.servicer import CompletionServicer, GrpcDoor
from headrace_gateway.http.addressing import Addressing
from headrace_gateway.http.application import Browsers, create_http_app
from headrace_gateway.http.connection import ConnectionBounds
from headrace_gateway.http.edge import Bounds
from headrace_gateway.http.errors import status_of
from headrace_gateway.http.exchanges import answer_headers
from headrace_gateway.http.front_door import FrontDoor, Readiness
from headrace_gateway.http.pipeline_response import Patience
from headrace_gateway.http.request_bodies import BodyBounds
from headrace_gateway.http.server import serve_http
from headrace_gateway.limiting import start_leases, start_limiter
from headrace_gateway.metrics import GatewayMetrics
from headrace_gateway.pipeline import Pipeline, Stages
from headrace_gateway.ports import (
    Accounts,
    AnswerStore,
    CredentialResolver,
    EventLog,
    GuardPolicies,
    Limiter,
    PublishedKeys,
    TokenVerifier,
)
from headrace_gateway.routing import start_router
from headrace_gateway.settings import GatewaySettings
from headrace_gateway.stages.admit import Admit
from headrace_gateway.stages.guard import Guard
from headrace_gateway.stages.identify import Identify
from headrace_gateway.stages.infer import Infer
from headrace_gateway.stages.key_uses import KeyUses
from headrace_gateway.stages.leases import Leases
from headrace_gateway.stages.look_up import LookUp
from headrace_gateway.stages.revocations import Ended
from headrace_gateway.stages.route import Router
from headrace_gateway.stages.settle import Settle
from headrace_gateway.stages.spend import Spend


def never_saturated(_model: str) -> float:
    """For gateways that nobody tells how busy their models are."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Everything outside the process that the gateway talks to."""

    resolver: CredentialResolver
    verifier: TokenVerifier
    published_keys: PublishedKeys
    accounts: Accounts
    limiter: Limiter
    leases: Leases
    answers: AnswerStore
    event_log: EventLog
    router: Router
    ended: Ended
    key_uses: KeyUses
    guard_policies: GuardPolicies
    saturation: Callable[[str], float] = never_saturated


@dataclass(frozen=True, slots=True)
class Doors:
    """Both front doors, over one pipeline."""

    http: ASGIApp
    grpc: CompletionServicer


def run(settings: GatewaySettings) -> None:
    """Serve until SIGTERM."""
    run_service(partial(start, settings), drain_seconds=settings.drain_seconds)


async def start(settings: GatewaySettings, runtime: Runtime) -> None:
    """Bring everything up; returns once both ports take requests."""
    clock, registry = SystemClock(), create_registry()
    serve_metrics(runtime, registry, settings.metrics_address)
    event_log = _start_event_log(settings, runtime, clock, registry)
    auth_channel = _channel(runtime, settings.auth_target)
    auth = AuthClient(auth_channel, resolve_seconds=settings.auth_timeout_seconds)
    key_set = KeySet(auth, clock)
    runtime.start_task("key set", key_set.keep_fresh())
    ended = Ended(auth, clock, keep_seconds=settings.principal_stale_seconds)
    runtime.start_task("revocations", ended.keep_fresh())
    key_uses = _start_key_uses(settings, runtime, auth, clock)
    router = start_router(settings, runtime, clock, registry)
    lateness = start_lateness(runtime)
    limiter = start_limiter(settings, runtime, clock, registry, lateness, event_log.unsettled())
    neighbours = Neighbours(
        resolver=auth,
        verifier=key_set,
        published_keys=key_set,
        accounts=_accounts(settings, auth_channel),
        limiter=limiter,
        leases=start_leases(settings, runtime, limiter),
        answers=_answers(settings, runtime, lateness),
        event_log=event_log,
        router=router,
        ended=ended,
        key_uses=key_uses,
        saturation=router.saturation,
        guard_policies=_start_guard_policies(settings, runtime, registry),
    )
    readiness = Readiness({"auth": key_set.known.is_set, "models": router.known.is_set})
    doors = build(settings, neighbours, readiness, clock=clock, registry=registry)
    behind_http, behind_grpc = runtime.branches("front doors", 2)
    await _open_http(settings, behind_http, doors.http, readiness)
    await serve_grpc(
        behind_grpc, doors.grpc, settings, readiness.missing, registry=registry, clock=clock
    )


async def _open_http(
    settings: GatewaySettings, runtime: Runtime, app: ASGIApp, readiness: Readiness
) -> None:
    await serve_http(
        runtime,
        app,
        settings.http_address,
        readiness,
        trusted_proxies=settings.trusted_proxies,
        drain_seconds=settings.drain_seconds,
        write_seconds=settings.write_timeout_seconds,
        connections=_connection_bounds(settings),
    )


def build(
    settings: GatewaySettings,
    neighbours: Neighbours,
    readiness: Readiness,
    *,
    clock: Clock,
    registry: CollectorRegistry,
) -> Doors:
    """The whole gateway over the given neighbours."""
    pipeline = Pipeline(_stages(settings, neighbours, clock), GatewayMetrics(registry), clock)
    door = FrontDoor(
        pipeline=pipeline,
        accounts=neighbours.accounts,
        published_keys=neighbours.published_keys,
        answer_keys=neighbours.router.answer_keys,
        clock=clock,
        patience=Patience(settings.write_timeout_seconds, settings.heartbeat_seconds),
        readiness=readiness,
        native_prompt_characters=settings.maximum_native_prompt_characters,
    )
    browsers = Browsers(settings.cors_allowed_origins, settings.gzip_minimum_bytes)
    http = create_http_app(door, registry, _bounds(settings), browsers)
    return Doors(http, CompletionServicer(_grpc_door(settings, pipeline, clock)))


def _grpc_door(settings: GatewaySettings, pipeline: Pipeline, clock: Clock) -> GrpcDoor:
    return GrpcDoor(
        pipeline=pipeline,
        clock=clock,
        peers=Peers(settings.trusted_proxies),
        room=Room(
            calls=settings.maximum_concurrent_calls,
            bytes_in_flight=settings.maximum_body_bytes_in_flight,
            share=settings.maximum_share_per_organization,
        ),
        tell=answer_headers,
        write_seconds=settings.write_timeout_seconds,
    )


def _bounds(settings: GatewaySettings) -> Bounds:
    return Bounds(
        bodies=BodyBounds(
            bytes_each=settings.maximum_body_bytes,
            bytes_in_flight=settings.maximum_body_bytes_in_flight,
            seconds=settings.body_timeout_seconds,
            requests_in_flight=settings.maximum_requests_in_flight,
            share=settings.maximum_share_per_organization,
        ),
        requests_in_flight=settings.maximum_requests_in_flight,
        logins_in_flight=settings.maximum_logins_in_flight,
        strict_transport=settings.environment == "production",
        addressing=Addressing(settings.trusted_hosts, settings.https_redirect_url),
    )


def _connection_bounds(settings: GatewaySettings) -> ConnectionBounds:
    return ConnectionBounds(
        connections=settings.maximum_connections,
        headers=settings.maximum_headers,
        head_bytes=settings.maximum_head_bytes,
        head_seconds=settings.head_timeout_seconds,
    )


def _stages(settings: GatewaySettings, neighbours: Neighbours, clock: Clock) -> Stages:
    return Stages(
        identify=Identify(
            neighbours.resolver,
            neighbours.verifier,
            clock,
            neighbours.ended,
            fresh_seconds=settings.principal_fresh_seconds,
            stale_seconds=settings.principal_stale_seconds,
            maximum_strangers=settings.maximum_strangers_in_flight,
        ),
        key_uses=neighbours.key_uses,
        admit=Admit(
            neighbours.limiter,
            neighbours.leases,
            clock,
            default_requests_per_minute=settings.default_requests_per_minute,
            tightening=Tightening(
                settings.free_tightened_above,
                settings.standard_tightened_above,
                settings.tightened_factor,
            ),
            saturation=neighbours.saturation,
        ),
        guard=Guard(neighbours.guard_policies),
        router=neighbours.router,
        look_up=LookUp(neighbours.answers),
        infer=Infer(
            neighbours.router.metrics,
            maximum_attempts=settings.maximum_attempts,
            generation_seconds=settings.generation_timeout_seconds,
        ),
        spend=Spend(neighbours.limiter),
        settle=Settle(neighbours.limiter, neighbours.leases),
        event_log=neighbours.event_log,
    )


def _start_event_log(
    settings: GatewaySettings, runtime: Runtime, clock: Clock, registry: CollectorRegistry
) -> SpoolEventLog:
    limits = Limits(maximum_bytes=settings.spool_maximum_bytes)
    spool = Spool(settings.spool_directory, clock=clock, registry=registry, limits=limits)
    start_spool(runtime, spool, AuditClient(_channel(runtime, settings.audit_target)).send)
    return SpoolEventLog(spool, f"gateway/{settings.instance_name}", status_of)


def _start_guard_policies(
    settings: GatewaySettings, runtime: Runtime, registry: CollectorRegistry
) -> GuardPolicies:
    most = settings.maximum_prompt_characters
    if settings.guard_policy_file is None:
        return MemoryGuardPolicies(shipped_policies(maximum_prompt_characters=most))
    policies = PolicyFile(
        settings.guard_policy_file,
        registry,
        maximum_prompt_characters=most,
        refresh_seconds=settings.guard_policy_refresh_seconds,
    )
    runtime.start_task("guard policies", policies.keep_fresh())
    return policies


def _start_key_uses(
    settings: GatewaySettings, runtime: Runtime, auth: AuthClient, clock: Clock
) -> KeyUses:
    key_uses = KeyUses(auth, clock, report_seconds=settings.key_uses_report_seconds)
    # Once no request is under way any more, and while the channel is still open.
    runtime.on_stop("last report of key uses", key_uses.report)
    runtime.start_task("key uses", key_uses.keep_reporting())
    return key_uses


def _accounts(settings: GatewaySettings, channel: grpc.aio.Channel) -> GrpcAccounts:
    return GrpcAccounts(
        channel,
        seconds=settings.account_timeout_seconds,
        provider_seconds=settings.identity_provider_timeout_seconds,
    )


def _answers(settings: GatewaySettings, runtime: Runtime, lateness: Lateness) -> GrpcAnswerStore:
    return GrpcAnswerStore(
        _channel(runtime, settings.cache_target),
        look_up_seconds=settings.cache_timeout_seconds,
        store_seconds=settings.cache_store_timeout_seconds,
        lateness=lateness,
    )


def _channel(runtime: Runtime, target: str) -> grpc.aio.Channel:
    channel = create_channel(target)
    runtime.on_stop(f"channel to {target}", channel.close)
    return channel
