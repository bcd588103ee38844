"""VirtualServices: which cluster gets a request, for how long, and how often it is tried."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.mesh.translator.fields import Fields, UntranslatedError
from tests.mesh.translator.matches import conditions_of
from tests.mesh.translator.objects import Rendered, spec_of

Config = dict[str, Any]
MESH = "mesh"
"""What VirtualServices call the proxies of all pods, as opposed to a Gateway by its name."""
DEFAULT_RETRIES = "connect-failure,refused-stream,unavailable,cancelled"
OTHER_HOSTS = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": {
        "@type": "type.googleapis.com/"
        "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    },
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Where routes are looked up: at a caller's proxy or at a Gateway, for calls to one port."""

    caller: str
    gateway: str
    port: int

    def cluster(self, host: str, port: int | None = None, subset: str = "") -> str:
        """The name of the cluster that leads there, much like istiod's."""
        return f"{self.caller}|{port or self.port}|{subset}|{host}"


def routes_to(rendered: Rendered, scene: Scene, host: str) -> list[Config]:
    """Routes of Envoy for calls to a Service, first match first."""
    return routes_by_host(rendered, scene).get(host) or [_default_route(scene, host)]


def routes_by_host(rendered: Rendered, scene: Scene) -> dict[str, list[Config]]:
    """All routes of Envoy here, by public host or a Service's full name."""
    found: dict[str, list[Config]] = {}
    for hosts, gateways, route in _routes(rendered, scene):
        for host in hosts if scene.gateway in gateways else ():
            found.setdefault(host, []).append(route)
    return found


def _default_route(scene: Scene, host: str) -> Config:
    """What istiod does with a Service that no VirtualService is about."""
    action = {"cluster": scene.cluster(host), **_times(None), **_retries(Fields({}, host))}
    return {"match": {"prefix": "/"}, "route": action}


def _routes(rendered: Rendered, scene: Scene) -> Iterator[tuple[list[str], list[str], Config]]:
    """Each with the hosts and the gateways that it is for."""
    for each in rendered.mesh["VirtualService"]:
        spec, namespace = spec_of(each), each["metadata"]["namespace"]
        gateways = [name.removeprefix(f"{namespace}/") for name in spec.texts("gateways")]
        hosts = [_full_name(rendered, host, namespace) for host in spec.texts("hosts")]
        spec.take("exportTo")  # all are of one namespace, which every value of it lets see them
        for http in spec.each("http"):
            http.text("name")
            conditions = conditions_of(http, scene.port)
            action = _Action(rendered, namespace, scene).read(http)
            for condition in conditions:
                wanted = condition.gateways or gateways or [MESH]
                yield hosts, wanted, {"match": condition.match, **action}
        spec.end()


def _full_name(rendered: Rendered, host: str, namespace: str) -> str:
    """A Service's, whichever way it is written; public names stay as they are."""
    try:
        return rendered.service(host, namespace).host
    except UntranslatedError:
        return host


@dataclass(frozen=True, slots=True)
class _Action:
    """What becomes of a request that matches."""

    rendered: Rendered
    namespace: str
    scene: Scene

    def read(self, http: Fields) -> Config:
        headers = _header_changes(http)
        timeout, retries = http.duration("timeout"), _retries(http)
        if "directResponse" in http:
            with http.inner("directResponse") as answer:
                return {"direct_response": _direct_response(answer), **headers}
        targets = [self._target(route) for route in http.each("route")]
        if not targets:
            raise UntranslatedError(f"{http.path}: there is no route")
        return {"route": {**_share(targets), **_times(timeout), **retries}, **headers}

    def _target(self, route: Fields) -> Config:
        """A cluster with its weight and its changes of headers."""
        with route.inner("destination") as destination:
            host = destination.needed("host")
            subset = destination.text("subset")
            with destination.inner("port") as port:
                number = port.number("number")
        service = self.rendered.service(host, self.namespace)
        if number is None and self.scene.gateway != MESH:
            if len(service.ports) > 1:
                raise UntranslatedError(f"{route.path}: which port of {host}?")
            number = service.ports[0].number
        weight = route.number("weight")
        return {
            "name": self.scene.cluster(service.host, number, subset),
            "weight": weight,
            **_header_changes(route),
        }


def _share(targets: list[Config]) -> Config:
    """One cluster, or several by weight; istiod leaves out those of weight 0."""
    if len(targets) > 1:
        weighted = [target for target in targets if target["weight"]]
        return {"weighted_clusters": {"clusters": weighted}}
    [target] = targets
    if set(target) == {"name", "weight"}:
        return {"cluster": target["name"]}
    return {"weighted_clusters": {"clusters": [{**target, "weight": 100}]}}


def _times(timeout: str | None) -> Config:
    """Of the whole answer: unset means no limit but the caller's own deadline."""
    return {"timeout": timeout or "0s", "max_grpc_timeout": timeout or "0s"}


def _retries(http: Fields) -> Config:
    if "retries" not in http:
        return {"retry_policy": _retry_policy(2, "")}
    with http.inner("retries") as retries:
        attempts = retries.number("attempts") or 0
        policy = _retry_policy(attempts, retries.text("retryOn"))
        if "perTryTimeout" in retries:
            policy["per_try_timeout"] = retries.duration("perTryTimeout")
        if not retries.flag("retryIgnorePreviousHosts", default=True):
            del policy["retry_host_predicate"]
        retries.only("retryRemoteLocalities", False, "pods have no locality here")
    return {"retry_policy": policy} if attempts else {}


def _retry_policy(attempts: int, retry_on: str) -> Config:
    return {
        "num_retries": attempts,
        "retry_on": retry_on or DEFAULT_RETRIES,
        "retry_host_predicate": [OTHER_HOSTS],
        "host_selection_retry_max_attempts": 5,
    }


def _header_changes(fields: Fields) -> Config:
    changes: Config = {}
    with fields.inner("headers") as headers:
        for direction in ("request", "response"):
            with headers.inner(direction) as change:
                changes |= _changes(change, direction)
    return changes


def _changes(change: Fields, direction: str) -> Config:
    added = [
        {"header": {"key": key, "value": value}, "append_action": action}
        for name, action in (
            ("set", "OVERWRITE_IF_EXISTS_OR_ADD"),
            ("add", "APPEND_IF_EXISTS_OR_ADD"),
        )
        for key, value in change.labels(name).items()
    ]
    removed = change.texts("remove")
    return {
        **({f"{direction}_headers_to_add": added} if added else {}),
        **({f"{direction}_headers_to_remove": removed} if removed else {}),
    }


def _direct_response(answer: Fields) -> Config:
    with answer.inner("body") as said:
        text = said.text("string")
    return {
        "status": answer.number("status"),
        **({"body": {"inline_string": text}} if text else {}),
    }
