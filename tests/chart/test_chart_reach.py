"""What a model server can reach that somebody took over: it reads files that strangers made."""

from typing import Any

import pytest
from tests.stack import helm

SECRET: dict[str, Any] = {"secrets.existingSecret": "headrace-secrets"}
MODEL: dict[str, Any] = {"name": "a", "id": "a"}
HUB = {"uri": "hf://example/model/model.gguf"}
BUILTIN = {"builtin": "smollm2-135m-instruct"}
NEEDED_BY_ALL = {53, 15012}
"""Names, and the mesh's control plane."""


def ports_of(*models: dict[str, Any]) -> set[int]:
    """Where model servers may connect to."""
    objects = helm.render(set=SECRET | {"inference.models": [*models]})
    [policy] = [
        each
        for each in objects
        if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == "headrace-inference"
    ]
    return {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}


def test_a_model_that_the_image_has_needs_nobody() -> None:
    assert ports_of(MODEL | {"source": BUILTIN}) == NEEDED_BY_ALL


@pytest.mark.parametrize(
    ("model", "ports"),
    [
        ({"source": HUB}, {443}),
        ({"source": BUILTIN, "canary": {"enabled": True, "source": HUB}}, {443}),
        ({"source": BUILTIN, "canary": {"source": HUB}}, set()),
        ({"source": {"uri": "/models/a/model.gguf"}, "storage": {"size": "1Gi"}}, set()),
        ({"engine": "openai", "remote": {"url": "http://vllm:8000/v1"}}, {8000}),
        ({"engine": "echo"}, set()),
    ],
    ids=["hub", "canary of the hub", "canary that is off", "volume", "remote", "echo"],
)
def test_what_is_elsewhere_may_be_fetched(model: dict[str, Any], ports: set[int]) -> None:
    assert ports_of(MODEL | model) == NEEDED_BY_ALL | ports
