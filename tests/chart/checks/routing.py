"""The gateway's routes and policies in the chart are read by the gateway's own code."""

from collections.abc import Iterator

from tests.chart.checks.environment import file_in_config_map, gateway_settings, settings_of
from tests.chart.checks.selection import has_service_port
from tests.chart.objects import (
    Objects,
    Pod,
    of_kind,
    running_pods,
    service_of_host,
    service_pods,
)

from headrace_gateway.adapters.policy_yaml import read_policies
from headrace_gateway.adapters.route_file import parse_routes
from headrace_gateway.adapters.service_labels import MODEL as MODEL_LABEL
from headrace_gateway.adapters.service_labels import route_table
from headrace_gateway.adapters.yaml_reader import FileFaultError
from headrace_gateway.domain.routes import RouteTable, Target


def tables(objects: Objects) -> Iterator[tuple[str, RouteTable]]:
    """What each gateway routes by; raises FileFaultError."""
    for pod, settings in gateway_settings(objects):
        if settings.routes_file is not None:
            text = file_in_config_map(objects, pod, str(settings.routes_file))
            if text is not None:
                yield pod.title, parse_routes(text.encode(), "routes.yaml")
        elif settings.kubernetes_namespace is not None:
            yield pod.title, route_table(of_kind(objects, "Service"))[0]


def routes_can_be_read(objects: Objects) -> list[str]:
    """A gateway does not start with a file that breaks a rule, nor with none."""
    faults = []
    for pod, settings in gateway_settings(objects):
        if settings.routes_file is None:
            continue
        text = file_in_config_map(objects, pod, str(settings.routes_file))
        if text is None:
            faults.append(f"{pod.title}: no ConfigMap has {settings.routes_file}")
            continue
        try:
            parse_routes(text.encode(), "routes.yaml")
        except FileFaultError as error:
            faults.append(f"{pod.title}: {error.message}")
    return faults


def labelled_services_are_targets(objects: Objects) -> list[str]:
    """Discovery leaves out, with no more than a log line, what breaks a rule."""
    labelled = [
        service
        for service in of_kind(objects, "Service")
        if MODEL_LABEL in service["metadata"].get("labels", {})
    ]
    return [f"Service/{each.name}: {each.rule}" for each in route_table(labelled)[1]]


def routes_lead_to_servers(objects: Objects) -> list[str]:
    """Each target's address is a Service's gRPC port, and its pods serve the model's id."""
    faults = []
    for where, table in _readable(objects):
        for model, groups in table.items():
            for target in (target for group in groups for target in group):
                faults += _target_faults(objects, f"{where}: {model}", target)
    return faults


def _readable(objects: Objects) -> list[tuple[str, RouteTable]]:
    try:
        return list(tables(objects))
    except FileFaultError:
        return []  # which `routes_can_be_read` tells


def _target_faults(objects: Objects, where: str, target: Target) -> list[str]:
    address = target.endpoint.address
    host, _, port = address.rpartition(":")
    service = service_of_host(objects, host)
    if service is None or not has_service_port(service, {"name": "grpc", "number": int(port)}):
        return [f"{where}: no Service answers at {address}"]
    return [
        f"{where}: {pod.title} serves {served}, not {target.model}"
        for pod in service_pods(objects, service)
        if (served := _model_of(pod)) != target.model
    ]


def _model_of(pod: Pod) -> str:
    return str(getattr(settings_of(pod), "model_id", ""))


def every_model_has_a_route(objects: Objects) -> list[str]:
    """A model server that no gateway sends calls to costs money for nothing."""
    served = {_model_of(pod) for pod in running_pods(objects) if pod.component == "inference"}
    return [
        f"{where}: there is no route for {model}"
        for where, table in _readable(objects)
        for model in sorted(served - set(table))
    ]


def guard_policies_can_be_read(objects: Objects) -> list[str]:
    """As the gateway would at its start."""
    faults = []
    for pod, settings in gateway_settings(objects):
        path = settings.guard_policy_file
        if path is None:
            continue
        text = file_in_config_map(objects, pod, str(path))
        try:
            if text is None:
                faults.append(f"{pod.title}: no ConfigMap has {path}")
            else:
                read_policies(
                    text.encode(),
                    path.name,
                    maximum_prompt_characters=settings.maximum_prompt_characters,
                )
        except FileFaultError as error:
            faults.append(f"{pod.title}: {error.message}")
    return faults
