"""AuditService over gRPC: converts, makes one domain call, converts."""

from typing import Any

from headrace.audit.v1 import audit_pb2, audit_pb2_grpc
from headrace_audit.conversions import to_event
from headrace_audit.ledger import Ledger
from headrace_audit.metrics import AuditMetrics
from headrace_common.grpc_server import Registration


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """The proto's AuditService."""

    def __init__(self, ledger: Ledger, metrics: AuditMetrics) -> None:
        self._ledger = ledger
        self._metrics = metrics

    async def RecordEvents(  # noqa: N802 - the proto's name
        self, request: audit_pb2.RecordEventsRequest, _context: Any
    ) -> audit_pb2.RecordEventsResponse:
        events = [
            to_event(message, f"events[{index}]") for index, message in enumerate(request.events)
        ]
        with self._metrics.time_batch():
            stored = await self._ledger.record(events)
        duplicates = len(events) - stored
        self._metrics.count_batch(stored=stored, duplicates=duplicates)
        return audit_pb2.RecordEventsResponse(stored=stored, duplicates=duplicates)

    def registration(self) -> Registration:
        """How to add this servicer to a server."""
        return Registration(
            "headrace.audit.v1.AuditService",
            audit_pb2_grpc.add_AuditServiceServicer_to_server,
            self,
        )
