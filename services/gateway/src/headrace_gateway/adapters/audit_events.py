"""From a finished exchange to the audit's event, into the spool, and on to `audit`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import grpc
from google.protobuf.message import DecodeError

from headrace.audit.v1 import audit_pb2, audit_pb2_grpc
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_common.proto_enums import to_proto
from headrace_common.spool import Note, Spool
from headrace_gateway.adapters.costs import to_cost, to_settlement
from headrace_gateway.domain.admission import Settlement
from headrace_gateway.domain.exchange import Activity, Exchange, Outcome, outcome_of

RECORD_SECONDS = 5.0
MAXIMUM_TEXT_CHARACTERS = 512
MAXIMUM_DECISIONS = 100
"""`audit` takes 256, and a note in the spool has room for these with their longest names."""

StatusOf = Callable[[HeadraceError | None], int]
"""The HTTP status of an error, or of success; given by the edge, which alone knows."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an exchange ended."""

    outcome: Outcome
    error: HeadraceError | None

    @classmethod
    def of(cls, exchange: Exchange) -> "Ending":
        """Raises ValueError if it has not ended."""
        if exchange.outcome is None:
            raise ValueError("the exchange has not ended")
        return cls(exchange.outcome, exchange.error)

    @classmethod
    def by_a_kill(cls) -> "Ending":
        """If nothing more is heard of it."""
        killed = HeadraceError(Reason.INTERRUPTED, "the process that answered was killed")
        return cls(outcome_of(killed.kind), killed)


Encode = Callable[[Exchange, float, Ending], bytes]


class SpoolEventLog:
    """EventLog over the local spool; delivery to `audit` runs beside it."""

    def __init__(self, spool: Spool, writer: str, status_of: StatusOf) -> None:
        """`writer` names this process in every event, for example `gateway/gw-7f9c`."""
        self._spool = spool
        self._writer = writer
        self._status_of = status_of

    def open(self) -> "SpoolEventEntry":
        return SpoolEventEntry(self._spool, self._encode)

    def unsettled(self) -> Sequence[Settlement]:
        """What an earlier process had noted and not settled; to be asked for before any work.

        It is in the order of its records: of two with one id the first one counts.
        """
        return [
            to_settlement(note.payload, partial(self._spool.forget, note))
            for note in self._spool.kept
        ]

    def _encode(self, exchange: Exchange, seconds: float, ending: Ending) -> bytes:
        event = to_event(exchange, ending, self._writer, seconds)
        event.http_status = self._status_of(ending.error)
        return event.SerializeToString()


class SpoolEventEntry:
    """EventEntry in a reservation of the spool."""

    def __init__(self, spool: Spool, encode: Encode) -> None:
        """Raises AUDIT_UNAVAILABLE when there is no room."""
        self._spool = spool
        self._reservation = spool.reserve()
        self._encode = encode
        self._noted = False
        self._ended = b""
        self._settled = False
        self._kept: Note | None = None

    def note(self, exchange: Exchange, seconds: float) -> None:
        self._reservation.note(self._encode(exchange, seconds, Ending.by_a_kill()))
        self._noted = True

    def note_end(self, exchange: Exchange, seconds: float) -> None:
        if self._noted:
            self._ended = self._encode(exchange, seconds, Ending.of(exchange))
            self._reservation.note(self._ended)

    def settled(self) -> None:
        self._settled = True
        if self._kept is not None:
            self._spool.forget(self._kept)

    def record(self, exchange: Exchange, seconds: float) -> None:
        payload = self._ended or self._encode(exchange, seconds, Ending.of(exchange))
        unsettled = bool(self._ended) and not self._settled
        try:
            self._kept = self._reservation.append(payload, keep_note=unsettled)
        finally:
            self._reservation.release()


class AuditClient:
    """Sends spooled events to `audit`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = audit_pb2_grpc.AuditServiceStub(channel)

    async def send(self, payloads: Sequence[bytes]) -> None:
        """Deliver a batch; returns once all of it is durable there."""
        try:
            events = [audit_pb2.AuditEvent.FromString(payload) for payload in payloads]
        except DecodeError as error:
            raise HeadraceError(Reason.INVALID_FIELD, "a record is no audit event") from error
        request = audit_pb2.RecordEventsRequest(events=events)
        with translate_rpc_errors("audit"):
            await self._stub.RecordEvents(request, timeout=RECORD_SECONDS)


def to_event(
    exchange: Exchange, ending: Ending, writer: str, total_seconds: float
) -> audit_pb2.AuditEvent:
    """The event of one exchange; its id is the request id that the caller saw."""
    event = audit_pb2.AuditEvent(
        event_id=exchange.request_id,
        kind=to_proto(audit_pb2.EventKind, exchange.activity),
        occurred_at=exchange.occurred_at,
        writer=writer,
        request_id=exchange.request_id,
        source_address=_clean(exchange.source_address),
        operation=exchange.operation,
        outcome=to_proto(audit_pb2.Outcome, ending.outcome),
        error_reason=_reason(ending.error, exchange.cut_by),
        resource=_clean(exchange.resource),
    )
    if exchange.principal is not None:
        event.actor.user_id = exchange.principal.user_id
        event.actor.organization_id = exchange.principal.organization_id
        event.actor.credential_id = exchange.principal.credential_id
    if exchange.activity in (Activity.COMPLETION, Activity.EMBEDDING):
        event.model_use.CopyFrom(_model_use(exchange, total_seconds))
    return event


def _reason(error: HeadraceError | None, cut_by: Reason | None) -> str:
    """Why it failed, or why an answer that counts as given is shorter than the model's."""
    reason = error.reason if error else cut_by
    return reason.value if reason else ""


def _clean(text: str) -> str:
    """What a caller can influence, as `audit` takes it: nobody may write an event it refuses."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")[:MAXIMUM_TEXT_CHARACTERS]


def _decisions(exchange: Exchange) -> Sequence[str]:
    """All of them, or as many as there is room for, those first that blocked."""
    decided = exchange.guard_decisions
    if len(decided) <= MAXIMUM_DECISIONS:
        return decided
    return sorted(decided, key=lambda each: not each.endswith(":block"))[:MAXIMUM_DECISIONS]


def _model_use(exchange: Exchange, total_seconds: float) -> audit_pb2.ModelUse:
    use = audit_pb2.ModelUse(
        model=_clean(exchange.model),
        model_version=exchange.model_version,
        guard_policy_version=exchange.guard_policy_version,
        guard_decisions=_decisions(exchange),
        cache_status=exchange.cache_status,
        prompt_tokens=exchange.prompt_tokens,
        completion_tokens=exchange.completion_tokens,
        finish_reasons=exchange.finish_reasons,
        streamed=exchange.streamed,
        served_model=exchange.served_model,
        cohort=exchange.cohort,
        end_user=_clean(exchange.end_user),
        cost=to_cost(exchange),
    )
    use.total_time.FromNanoseconds(round(total_seconds * 1e9))
    if exchange.first_token_seconds is not None:
        use.time_to_first_token.FromNanoseconds(round(exchange.first_token_seconds * 1e9))
    if exchange.queue_seconds is not None:
        use.queue_time.FromNanoseconds(round(exchange.queue_seconds * 1e9))
    return use
