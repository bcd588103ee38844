"""VirtualServices: where calls go, how long they wait, and who asks again."""

from collections.abc import Iterator
from types import MappingProxyType

from tests.chart.checks.mesh_policy import methods
from tests.chart.checks.selection import has_service_port
from tests.chart.objects import (
    COMPONENT,
    NAMESPACE,
    SERVICES,
    Object,
    Objects,
    component_of_host,
    named,
    of_kind,
    service_of_host,
    title,
)

CONNECTING = frozenset({"connect-failure", "refused-stream", "reset-before-request"})
"""Why a call may be repeated that nobody has begun to answer."""
AGAIN = CONNECTING | {"unavailable"}
"""And one that somebody answered who was about to end."""
COHORT = "x-headrace-cohort"
_AUTH, _CACHE = "/headrace.auth.v1.AuthService", "/headrace.cache.v1.CacheService"
_AUDIT, _INFERENCE = "/headrace.audit.v1.AuditService", "/headrace.inference.v1.InferenceService"
TABLE = MappingProxyType(
    {
        # timeout, attempts, reasons, timeout of each
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


def http_routes(objects: Objects) -> Iterator[tuple[str, Object, str]]:
    """Each HTTP route, where it stands, and the component that it leads to; not redirects."""
    for service in of_kind(objects, "VirtualService"):
        yield from _routes(objects, service)


def _routes(objects: Objects, service: Object) -> Iterator[tuple[str, Object, str]]:
    for index, route in enumerate(service["spec"].get("http") or []):
        hosts = [each["destination"]["host"] for each in route.get("route") or []]
        where = f"{title(service)}: {route.get('name', index)}"
        if hosts:
            yield where, route, component_of_host(objects, hosts[0])


def destinations_exist(objects: Objects) -> list[str]:
    """With the subset and the port that a route names."""
    faults = []
    for where, route, _ in http_routes(objects):
        for each in route["route"]:
            destination = each["destination"]
            service = service_of_host(objects, destination["host"])
            if service is None:
                faults.append(f"{where}: there is no Service {destination['host']}")
                continue
            port = destination.get("port")
            if port is not None and not has_service_port(service, port):
                faults.append(f"{where}: Service {destination['host']} has no port {port}")
            subset = destination.get("subset")
            if subset is not None and subset not in _subsets(objects, destination["host"]):
                faults.append(f"{where}: {destination['host']} has no subset {subset}")
    return faults


def _subsets(objects: Objects, host: str) -> set[str]:
    name = host.partition(".")[0]
    return {
        subset["name"]
        for rule in of_kind(objects, "DestinationRule")
        if rule["spec"]["host"].partition(".")[0] == name
        for subset in rule["spec"].get("subsets") or []
    }


def gateways_exist(objects: Objects) -> list[str]:
    """A VirtualService is bound to the mesh, or to Gateways that take its hosts."""
    gateways = named(objects, "Gateway")
    faults = []
    for service in of_kind(objects, "VirtualService"):
        for name in service["spec"].get("gateways") or []:
            namespace, _, bare = name.rpartition("/")
            if name == "mesh" or namespace not in ("", NAMESPACE):
                continue  # what is in another namespace nobody can see here
            gateway = gateways.get(bare)
            if gateway is None:
                faults.append(f"{title(service)}: there is no Gateway {name}")
                continue
            servers = gateway["spec"]["servers"]
            taken = {host.rpartition("/")[2] for server in servers for host in server["hosts"]}
            faults += [
                f"{title(service)}: Gateway {name} does not take {host}"
                for host in service["spec"]["hosts"]
                if not taken & {host, "*", f"*.{host.partition('.')[2]}"}
            ]
    return faults


def weights_are_shares(objects: Objects) -> list[str]:
    """Of a hundred, where there are several destinations."""
    faults = []
    for where, route, _ in http_routes(objects):
        weights = [each.get("weight") for each in route["route"]]
        if len(weights) > 1 and (None in weights or sum(weights) != 100):
            faults.append(f"{where}: weights are {weights}")
    return faults


def cohorts_come_before_weights(objects: Objects) -> list[str]:
    """Who has a cohort stays with it; only the unlabelled go by weight."""
    faults = []
    for service in of_kind(objects, "VirtualService"):
        seen: set[str] = set()
        for route in service["spec"].get("http") or []:
            destinations = route.get("route") or []
            if len(destinations) > 1:
                named_there = {each["destination"].get("subset") for each in destinations}
                for subset in sorted(filter(None, named_there - seen)):
                    faults.append(f"{title(service)}: no route for cohort {subset} before weights")
            else:
                seen |= _cohorts(route)
    return faults


def _cohorts(route: Object) -> set[str]:
    """Those that a route sends to their own subset."""
    told = {
        ((each.get("headers") or {}).get(COHORT) or {}).get("exact")
        for each in route.get("match") or []
    }
    subsets = {each["destination"].get("subset") for each in route.get("route") or []}
    return {cohort for cohort in told & subsets if cohort}


def calls_go_by_the_table(objects: Objects) -> list[str]:
    """Calls that gateways make all the time wait and are repeated as the guide says."""
    faults = []
    for service in _internal(objects):
        component = component_of_host(objects, service["spec"]["hosts"][0])
        for path, (timeout, attempts, reasons, per_try) in TABLE.items():
            if not path.startswith(f"/headrace.{component}."):
                continue
            route = route_of(service, path) or {}
            retries = route.get("retries") or {}
            given = route.get("timeout"), retries.get("attempts")
            given_more = _reasons(retries), retries.get("perTryTimeout")
            if (*given, *given_more) != (timeout, attempts, reasons, per_try):
                faults.append(
                    f"{title(service)}: {path} waits and is repeated by {given + given_more}"
                )
    return faults


def changes_are_made_once(objects: Objects) -> list[str]:
    """Any other call is repeated only if it has never arrived: it may have changed something."""
    return [
        f"{title(service)}: {method} is repeated on {', '.join(sorted(extra))}"
        for service in _internal(objects)
        for method in sorted(methods() - set(TABLE) - REPEATABLE)
        if method.startswith(
            f"/headrace.{component_of_host(objects, service['spec']['hosts'][0])}."
        )
        if (extra := _reasons((route_of(service, method) or {}).get("retries") or {}) - CONNECTING)
    ]


def streams_are_not_cut(objects: Objects) -> list[str]:
    """A route's timeout covers a whole answer, so what streams has none, on any way to it."""
    faults = []
    for service in of_kind(objects, "VirtualService"):
        hosts = {
            each["destination"]["host"]
            for _, route, _ in _routes(objects, service)
            for each in route["route"]
        }
        components = {component_of_host(objects, host) for host in hosts}
        for component, paths in STREAMS.items():
            for path in paths if component in components else ():
                route = route_of(service, path) or {}
                if route.get("timeout") is not None:
                    faults.append(f"{title(service)}: {path} is cut after {route['timeout']}")
    return faults


def nothing_is_repeated_by_default(objects: Objects) -> list[str]:
    """Without a word, the mesh asks two more times; before the gateway, where a request may be
    anything, it asks none."""
    faults = []
    for where, route, component in http_routes(objects):
        retries = route.get("retries")
        if retries is None:
            faults.append(f"{where}: has the mesh's default retries")
        elif component == "gateway" and retries.get("attempts") != 0:
            faults.append(f"{where}: repeats what callers ask of the gateway")
    return faults


def _internal(objects: Objects) -> list[Object]:
    """VirtualServices of one host within the mesh."""
    return [
        service
        for service in of_kind(objects, "VirtualService")
        if service_of_host(objects, service["spec"]["hosts"][0])
    ]


def route_of(service: Object, path: str) -> Object | None:
    """The route that a request without a cohort takes, if any."""
    for route in service["spec"].get("http") or []:
        matches = route.get("match") or [{}]
        if any(_takes(match, path) for match in matches):
            found: Object = route
            return found
    return None


def _takes(match: Object, path: str) -> bool:
    """Of all that a match may say, the path and the port tell here."""
    uri = match.get("uri") or {"prefix": "/"}
    port = 9000 if path.startswith("/headrace.") else 8080
    by_path = path == uri.get("exact") or ("prefix" in uri and path.startswith(uri["prefix"]))
    return by_path and not match.get("headers") and match.get("port", port) == port


def _reasons(retries: Object) -> frozenset[str]:
    text = retries.get("retryOn", "")
    return frozenset({each.strip() for each in text.split(",")} - {""})


def every_server_has_a_route(objects: Objects) -> list[str]:
    """For without one it has the default retries."""
    if not of_kind(objects, "VirtualService"):
        return []
    routed = {
        each["destination"]["host"].partition(".")[0]
        for _, route, _ in http_routes(objects)
        for each in route["route"]
    }
    return [
        f"{title(service)}: no VirtualService leads there"
        for service in of_kind(objects, "Service")
        if service["metadata"]["labels"].get(COMPONENT) in SERVICES
        and service["metadata"]["name"] not in routed
    ]
