"""What is there before the first request, so that its failure is a step that a rate can see."""

import pytest
from prometheus_client import CollectorRegistry

from headrace_common.errors import Reason
from headrace_gateway.domain.exchange import Activity
from headrace_gateway.metrics import GatewayMetrics


@pytest.mark.parametrize("activity", [Activity.COMPLETION, Activity.EMBEDDING])
@pytest.mark.parametrize("reason", list(Reason))
def test_every_way_for_a_models_request_to_end_is_there(activity: Activity, reason: Reason) -> None:
    registry = CollectorRegistry()
    GatewayMetrics(registry)
    labels = {"activity": activity, "reason": reason}
    found = [
        registry.get_sample_value("headrace_gateway_requests_total", {**labels, "outcome": outcome})
        for outcome in ("refused", "failed", "cancelled")
    ]
    assert [value for value in found if value is not None] == [0.0]


def test_durations_of_all_activities_are_there() -> None:
    registry = CollectorRegistry()
    GatewayMetrics(registry)
    counts = [
        registry.get_sample_value("headrace_gateway_request_seconds_count", {"activity": activity})
        for activity in Activity
    ]
    assert counts == [0.0] * len(Activity)
