"""What becomes of a call in the mesh: how long it may take, and who repeats it, by its path."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from tests.chart.checks.environment import gateway_settings
from tests.chart.checks.istio_values import seconds
from tests.chart.checks.mesh_routes import http_routes
from tests.chart.objects import Object, Objects, component_of_host, of_kind, title
from tests.stack.methods import methods

from headrace_gateway.adapters.account_calls import ASKING_PROVIDERS

CONNECTING = frozenset({"connect-failure", "refused-stream", "reset-before-request"})
"""Why a call may be repeated that nobody has begun to answer."""
AGAIN = CONNECTING | {"unavailable"}
"""And one that somebody answered who was about to end."""
_AUTH, _CACHE = "/headrace.auth.v1.AuthService", "/headrace.cache.v1.CacheService"
_AUDIT, _INFERENCE = "/headrace.audit.v1.AuditService", "/headrace.inference.v1.InferenceService"
Ways = tuple[str | None, int | None, frozenset[str], str | None]
"""The timeout, how often a call is repeated, on which failures, and the timeout of each try."""
TABLE: Mapping[str, Ways] = MappingProxyType(
    {
        f"{_AUTH}/ResolveCredential": ("2s", 2, AGAIN, "500ms"),
        f"{_CACHE}/Lookup": ("1s", 2, AGAIN, "500ms"),
        f"{_CACHE}/Store": ("1s", 2, AGAIN, "500ms"),
        f"{_AUDIT}/RecordEvents": ("5s", 2, AGAIN, None),
        f"{_INFERENCE}/Generate": (None, 1, CONNECTING, None),
        f"{_INFERENCE}/Embed": (None, 1, CONNECTING, None),
    }
)
REPEATABLE = frozenset(
    f"{_AUTH}/{name}" for name in ("GetJsonWebKeySet", "ListRevocations", "ReportKeyUses")
)
"""What else changes nothing when it is done twice."""
STREAMS = MappingProxyType(
    {
        "gateway": (
            "/v1/chat/completions", "/v1/completions", "/api/v1/llm/stream", "/api/v1/llm/generate",
            "/headrace.gateway.v1.CompletionService/Complete",
        ),
        "inference": (f"{_INFERENCE}/Generate",),
    }
)  # fmt: skip
"""What answers for as long as a model writes, by who is asked."""


def routes_of(service: Object, path: str) -> Iterator[Object]:
    """The routes that requests for a path may take, by their cohorts; without one, the last."""
    for route in service["spec"].get("http") or []:
        taking = [each for each in route.get("match") or [{}] if _takes(each, path)]
        if taking:
            yield route
        if not all(each.get("headers") for each in taking):
            return


def _takes(match: Object, path: str) -> bool:
    """Of all that a match may say, the path and the port tell here."""
    uri = match.get("uri") or {"prefix": "/"}
    port = 9000 if path.startswith("/headrace.") else 8080
    by_path = path == uri.get("exact") or ("prefix" in uri and path.startswith(uri["prefix"]))
    return by_path and match.get("port", port) == port


def _calls(objects: Objects) -> Iterator[tuple[str, str, Object]]:
    """Each method with each route that leads to it: where that is, the path, and the route."""
    for service in of_kind(objects, "VirtualService"):
        component = component_of_host(objects, service["spec"]["hosts"][0])
        for method in sorted(methods()):
            if method.startswith(f"/headrace.{component}."):
                yield from ((title(service), method, each) for each in routes_of(service, method))


def calls_go_by_the_table(objects: Objects) -> list[str]:
    """Calls that gateways make all the time wait and are repeated as the table says."""
    return [
        f"{where}: {method} waits and is repeated by {given}"
        for where, method, route in _calls(objects)
        if method in TABLE and (given := _ways(route)) != TABLE[method]
    ]


def _ways(route: Object) -> Ways:
    retries = route.get("retries") or {}
    tries = retries.get("attempts"), _reasons(retries), retries.get("perTryTimeout")
    return (route.get("timeout"), *tries)


def _reasons(retries: Object) -> frozenset[str]:
    text = retries.get("retryOn", "")
    return frozenset({each.strip() for each in text.split(",")} - {""})


def changes_are_made_once(objects: Objects) -> list[str]:
    """Any other call is repeated only if it has never arrived: it may have changed something."""
    return [
        f"{where}: {method} is repeated on {', '.join(sorted(extra))}"
        for where, method, route in _calls(objects)
        if method not in TABLE and method not in REPEATABLE
        if (extra := _reasons(route.get("retries") or {}) - CONNECTING)
    ]


def callers_give_up_first(objects: Objects) -> list[str]:
    """A route that is shorter than its caller waits would turn a slow answer into an outage."""
    faults = []
    for pod, settings in gateway_settings(objects):
        for where, method, route in _calls(objects):
            if not method.startswith("/headrace.auth.") or method.startswith(_AUTH):
                continue
            asking = method.rpartition("/")[2] in ASKING_PROVIDERS
            patience = (
                settings.identity_provider_timeout_seconds
                if asking
                else settings.account_timeout_seconds
            )
            if seconds(route.get("timeout", "1h")) < patience:
                faults.append(f"{where}: {method} is cut, and {pod.title} waits {patience:g} s")
    return faults


def streams_are_not_cut(objects: Objects) -> list[str]:
    """A route's timeout covers a whole answer, so what streams has none, on any way to it."""
    return [
        f"{title(service)}: {path} is cut after {route['timeout']}"
        for service in of_kind(objects, "VirtualService")
        for component, paths in STREAMS.items()
        for path in paths
        for route in routes_of(service, path)
        if component in _components(objects, route) and "timeout" in route
    ]


def _components(objects: Objects, route: Object) -> set[str]:
    destinations = [each["destination"]["host"] for each in route.get("route") or []]
    return {component_of_host(objects, host) for host in destinations}


def nothing_is_repeated_by_default(objects: Objects) -> list[str]:
    """Without a word the mesh asks two more times; before the gateway nobody asks again."""
    faults = []
    for where, route, component in http_routes(objects):
        retries = route.get("retries")
        if retries is None:
            faults.append(f"{where}: has the mesh's default retries")
        elif component == "gateway" and retries.get("attempts") != 0:
            faults.append(f"{where}: repeats what callers ask of the gateway")
    return faults
