"""Workloads that the chart does not know, from its own namespace and from others."""

from typing import Any

VISITOR = "visitor-0"
"""A new workload in the chart's namespace, which no policy is about."""
OUTSIDER = "outsider-0"
"""Of another namespace."""
NEIGHBOUR = "neighbour-0"
"""Of the outsider's namespace."""
INGRESS_POD = "istio-ingress-0"
"""The ingress gateway, as a caller of any Service."""
NAMESPACES = {
    VISITOR: "headrace",
    OUTSIDER: "elsewhere",
    NEIGHBOUR: "elsewhere",
    INGRESS_POD: "istio-ingress",
}


def deployment(pod: str) -> dict[str, Any]:
    """Whose first pod has this name; its service account has that of the workload."""
    name, labels = _name(pod), {"app": _name(pod)}
    ports = [{"name": "grpc", "containerPort": 9000}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACES[pod]},
        "spec": {
            "template": {
                "metadata": {"labels": labels},
                "spec": {"serviceAccountName": name, "containers": [{"ports": ports}]},
            }
        },
    }


def service(pod: str) -> dict[str, Any]:
    """In front of it."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": _name(pod), "namespace": NAMESPACES[pod]},
        "spec": {
            "selector": {"app": _name(pod)},
            "ports": [{"name": "grpc", "port": 9000, "appProtocol": "grpc"}],
        },
    }


def _name(pod: str) -> str:
    return pod.rpartition("-")[0]
