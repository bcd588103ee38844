"""What cannot work is not rendered, and the message says which value to set."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.stack import helm

SECRET = {"secrets.existingSecret": "headrace-secrets"}
MODEL = {"name": "a", "id": "a", "source": {"builtin": "smollm2-135m-instruct"}}
REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "no secret": ({}, r"has no default for it\. Set exactly one of:\s+secrets\.existingSecret"),
    "two secrets": ({**SECRET, "evaluation.enabled": True}, r"2 of them are set"),
    "no models": (
        {**SECRET, "inference.models": []},
        r"inference\.models is empty, so nobody could ask for anything",
    ),
    "a host that is no address": (
        {**SECRET, "gateway.hosts": ["*.example.org"]},
        r"gateway\.hosts: the first one makes the URL .* so it cannot begin with \*",
    ),
    "no store for the external secret": (
        {"secrets.externalSecret.enabled": True},
        r"needs secrets\.externalSecret\.storeRef\.name and secrets\.externalSecret\.remoteKey",
    ),
    "a mesh and an Ingress": (
        {**SECRET, "ingress.enabled": True, "gateway.hosts": ["llm.example.org"]},
        r"mesh\.enabled and ingress\.enabled exclude each other",
    ),
    "an Ingress without hosts": (
        {**SECRET, "mesh.enabled": False, "ingress.enabled": True},
        r"ingress\.enabled needs gateway\.hosts",
    ),
    "a canary of the gateway without a mesh": (
        {**SECRET, "mesh.enabled": False, "gateway.canary.enabled": True},
        r"gateway\.canary\.enabled needs mesh\.enabled",
    ),
    "a canary of the gateway without a version": (
        {**SECRET, "gateway.canary.enabled": True},
        r"gateway\.canary\.enabled needs gateway\.canary\.tag",
    ),
    "too little grace": (
        {**SECRET, "services.auth.terminationGracePeriodSeconds": 39},
        r"headrace-auth: terminationGracePeriodSeconds is 39, and must be at least .* = 40",
    ),
    "an empty range of replicas": (
        {**SECRET, "services.cache.autoscaling.minReplicas": 11},
        r"headrace-cache: autoscaling\.minReplicas is 11, above autoscaling\.maxReplicas, 10",
    ),
    "KEDA without queries": (
        {**SECRET, "services.cache.autoscaling.mode": "keda"},
        r"headrace-cache: autoscaling\.mode=keda needs autoscaling\.keda\.queries",
    ),
    "an HPA without metrics": (
        {**SECRET, "services.cache.autoscaling.cpuUtilization": 0},
        r"headrace-cache: autoscaling\.mode=hpa needs autoscaling\.cpuUtilization or",
    ),
    "a model from nowhere": (
        {**SECRET, "inference.models": [{"name": "a", "id": "a"}]},
        r'Model "a": set exactly one of source\.builtin and source\.uri',
    ),
    "an image without a path": (
        {**SECRET, "inference.models": [{**MODEL, "storage": {"image": "example.org/m:1"}}]},
        r'Model "a": storage\.image needs storage\.imagePath',
    ),
    "a remote model without a URL": (
        {**SECRET, "inference.models": [{"name": "a", "id": "a", "engine": "openai"}]},
        r'Model "a": engine openai needs remote\.url',
    ),
    "two models of a name": (
        {**SECRET, "inference.models": [MODEL, MODEL]},
        r'two models have the name "a"',
    ),
    "a model with callers of its own": (
        {
            **SECRET,
            "inference.models": [
                {**MODEL, "callers": {"auth": ["headrace.inference.v1.InferenceService/*"]}}
            ],
        },
        r'Model "a": models have one identity .* same callers: set inference\.defaults\.callers',
    ),
    "a name that a canary's Service has": (
        {**SECRET, "inference.models": [{**MODEL, "name": "a-canary"}]},
        r'Model "a-canary": names that end in -stable or -canary are for',
    ),
    "a canary whose weight is no whole number": (
        {
            **SECRET,
            "inference.models": [{**MODEL, "weight": 10, "canary": {"enabled": True, "weight": 5}}],
        },
        r'Model "a": weight x canary\.weight must be a multiple of 100',
    ),
    "a name that is too long": (
        {**SECRET, "inference.models": [{**MODEL, "name": "a" * 40}]},
        r"longer than 63 characters",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_the_message_says_what_to_do(case: str) -> None:
    values, message = REFUSALS[case]
    with pytest.raises(helm.ChartError, match=message):
        helm.render(set=values)


@pytest.mark.parametrize(
    ("value", "api"),
    [
        ("mesh.enabled", "networking.istio.io/v1"),
        ("podMonitor.enabled", "monitoring.coreos.com/v1"),
    ],
)
def test_a_cluster_that_lacks_a_kind_is_told_so(value: str, api: str, tmp_path: Path) -> None:
    """Helm has no cluster here, so the copy asks for an API that it always takes for there."""
    chart = tmp_path / "headrace"
    shutil.copytree(helm.CHART, chart)
    checks = chart / "templates/_checks.tpl"
    checks.write_text(checks.read_text().replace("apiregistration.k8s.io/v1", "v1"))
    values = {**SECRET, "mesh.enabled": False, value: True}
    with pytest.raises(helm.ChartError, match=f"{value} is true, .* does not know {api}"):
        helm.render(set=values, chart=chart)
    assert helm.render(set={**values, value: False}, chart=chart)


def test_every_refusal_of_the_chart_is_tested() -> None:
    """By counting: a refusal in a template that no case above reaches would go unseen."""
    templates = "\n".join(path.read_text() for path in helm.CHART.rglob("templates/**/*.*"))
    messages = {message for _, message in REFUSALS.values()} - {REFUSALS["two secrets"][1]}
    about_clusters = 1
    assert templates.count('include "headrace.fail"') == len(messages) + about_clusters
    assert templates.count("fail ") == 1


def test_what_is_refused_would_be_rendered_otherwise() -> None:
    assert helm.render(set={**SECRET, "inference.models": [MODEL]})
