"""VirtualServices: where calls go, and which version answers them."""

from collections.abc import Iterator

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

COHORT = "x-headrace-cohort"


def http_routes(objects: Objects) -> Iterator[tuple[str, Object, str]]:
    """Each HTTP route, where it stands, and the component that it leads to; not redirects."""
    for service in of_kind(objects, "VirtualService"):
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
