"""What no values file has, and installers may want, passes the same checks."""

from typing import Any

import pytest
from tests.chart.catalogue import checks_of
from tests.chart.charts import FILES
from tests.stack import helm

FIXED = {
    f"{where}.{key}": value
    for where in (
        *(f"services.{name}" for name in ("gateway", "auth", "cache", "audit")),
        "inference.defaults",
    )
    for key, value in (("autoscaling.mode", "none"), ("replicas", 1))
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "discovery without a mesh": ("no-mesh", {"gateway.discovery.enabled": True}),
    "no migrations": ("default", {"migration.enabled": False}),
    "no network policies": ("default", {"networkPolicy.enabled": False}),
    "other names": ("ha", {"nameOverride": "llm", "fullnameOverride": "prod"}),
    "one pod of each": ("default", FIXED),
    "KEDA for the gateway": ("default", {"services.gateway.autoscaling.mode": "keda"}),
    "an evaluation in a mesh": ("evaluation", {"mesh.enabled": True}),
    "another team's gateway": (
        "default",
        {"mesh.gateway.create": False, "mesh.gateway.existing": "istio-ingress/public"},
    ),
    "gRPC for the public": (
        "default",
        {"mesh.gateway.grpc": True, "gateway.hosts": ["a.example.org", "b.example.org"]},
    ),
    "a revision of Istio": ("default", {"mesh.revision": "1-27"}),
    "open registration": (
        "default",
        {"services.auth.settings": {"REGISTRATION": "open", "SMTP_HOST": "smtp.example.org"}},
    ),
    "a canary of a model in an image": (
        "default",
        {
            "inference.models": [
                {
                    "name": "chat",
                    "id": "org/chat",
                    "storage": {"image": "example.org/chat:1", "imagePath": "chat.gguf"},
                    "canary": {"enabled": True, "tag": "0.2.0", "weight": 10},
                }
            ]
        },
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_check_finds_a_fault(variant: str) -> None:
    name, overrides = VARIANTS[variant]
    objects = helm.render([FILES[name]], set=overrides)
    values = helm.merged_values([helm.CHART / "values.yaml", FILES[name]], overrides)
    faults = {check: found(objects) for check, found in checks_of(values).items()}
    assert {check: found for check, found in faults.items() if found} == {}
