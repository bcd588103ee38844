"""Who may call whom: the mesh's policies, by identity and method, and the network's."""

import re
from collections.abc import Callable, Iterator, Mapping

from tests.chart.objects import (
    NAMESPACE,
    SERVICES,
    Object,
    Objects,
    of_kind,
    pods,
    running_pods,
    selects,
    title,
)
from tests.stack.methods import methods

PRINCIPAL = re.compile(r"^[a-z0-9.*-]+/ns/(?P<namespace>[^/]+)/sa/(?P<account>[^/]+)$")
GRPC_PORT = 9000
EXTERNAL = "outside"
"""Whoever calls from another namespace: the ingress gateway, the monitoring."""
UNCALLED = frozenset({"/headrace.inference.v1.InferenceService/Tokenize"})
"""Methods that no service of Headrace's calls; whoever does is to be named in `callers`."""
CLAIMS_NOBODY = {"key": "request.headers[x-forwarded-for]", "notValues": ["*"]}
"""A condition: the header is not there."""
Pair = tuple[str, str]
"""A caller's component and the one that it calls."""


def methods_of(pattern: str) -> set[str]:
    """Those that a policy's path stands for, which may end with a star."""
    if pattern.endswith("*"):
        return {each for each in methods() if each.startswith(pattern[:-1])}
    return {pattern} & methods()


def allows(objects: Objects) -> Iterator[tuple[Object, Object]]:
    """Each ALLOW policy with each of its rules."""
    for policy in of_kind(objects, "AuthorizationPolicy"):
        spec = policy.get("spec") or {}
        if spec.get("action", "ALLOW") == "ALLOW":
            yield from ((policy, rule) for rule in spec.get("rules") or [])


def nobody_may_call_unless_allowed(objects: Objects) -> list[str]:
    """One policy with nothing in it denies; any other without rules would be a mistake."""
    policies = of_kind(objects, "AuthorizationPolicy")
    if not policies:
        return []
    denying = [each for each in policies if not each.get("spec")]
    faults = [] if len(denying) == 1 else [f"{len(denying)} policies deny all, and one should"]
    faults += [
        f"{title(policy)}: has no rules, and so denies everyone"
        for policy in policies
        if policy.get("spec") and not policy["spec"].get("rules")
    ]
    faults += [
        f"{title(policy)}: a rule with nothing in it allows everyone"
        for policy, rule in allows(objects)
        if not rule
    ]
    return faults


def calls_are_allowed_by_identity_and_method(objects: Objects) -> list[str]:
    """On gRPC's port: by principal and path; `methods` would be POST for all of it."""
    faults = []
    for policy, rule in allows(objects):
        operations = _operations(rule)
        faults += [
            f"{title(policy)}: goes by HTTP methods, and gRPC is always POST"
            for operation in operations
            if operation.get("methods") and _is_grpc(operation)
        ]
        about_grpc = not operations or any(map(_is_grpc, operations))
        if about_grpc and not rule.get("from"):
            faults.append(f"{title(policy)}: does not say who may call")
    return faults


def _operations(rule: Object) -> list[Object]:
    return [each["operation"] for each in rule.get("to") or []]


def _is_grpc(operation: Object) -> bool:
    """Whether it may be about gRPC's port: no port is all ports."""
    return str(GRPC_PORT) in (operation.get("ports") or [str(GRPC_PORT)])


def paths_are_methods(objects: Objects) -> list[str]:
    """A path that no proto has would allow nothing; one for all of a port would allow too much."""
    faults = []
    for policy, rule in allows(objects):
        for operation in filter(_is_grpc, _operations(rule)):
            paths = operation.get("paths") or []
            if not paths:
                faults.append(f"{title(policy)}: allows every path")
            faults += [
                f"{title(policy)}: no proto has {path}" for path in paths if not methods_of(path)
            ]
            faults += [
                f"{title(policy)}: {path} is of another service"
                for path in paths
                for component in _components(policy["spec"].get("selector"), objects)
                if methods_of(path) and not path.startswith(f"/headrace.{component}.")
            ]
    return faults


def every_method_has_a_caller(objects: Objects) -> list[str]:
    """Among the services that Headrace itself calls; the gateway's are for others to call."""
    if not of_kind(objects, "AuthorizationPolicy"):
        return []
    allowed = {
        method
        for _, rule in allows(objects)
        for operation in _operations(rule)
        for path in operation.get("paths") or []
        for method in methods_of(path)
    }
    needed = {each for each in methods() - UNCALLED if not each.startswith("/headrace.gateway.")}
    return [
        *(f"nobody may call {method}" for method in sorted(needed - allowed)),
        *(f"{method} is allowed, and nobody calls it" for method in sorted(allowed & UNCALLED)),
    ]


def principals_have_accounts(objects: Objects) -> list[str]:
    """A ServiceAccount that is not there could never call; in other namespaces nobody can look."""
    accounts = {item["metadata"]["name"] for item in of_kind(objects, "ServiceAccount")}
    faults = []
    for policy in of_kind(objects, "AuthorizationPolicy"):
        for rule in (policy.get("spec") or {}).get("rules") or []:
            for principal in _principals(rule):
                found = PRINCIPAL.match(principal)
                if found is None:
                    faults.append(f"{title(policy)}: {principal} is no principal")
                elif found["namespace"] == NAMESPACE and found["account"] not in accounts:
                    faults.append(f"{title(policy)}: there is no {found['account']}")
    return faults


def _principals(rule: Object) -> list[str]:
    sources = [each["source"] for each in rule.get("from") or []]
    return [
        principal
        for source in sources
        for principal in (*source.get("principals", ()), *source.get("notPrincipals", ()))
    ]


def the_edge_alone_tells_addresses(edge: str) -> Callable[[Objects], list[str]]:
    """The gateway believes `x-forwarded-for`, so of other namespaces' accounts none but `edge` may
    send it."""

    def check(objects: Objects) -> list[str]:
        return [
            f"{title(policy)}: {principal} may tell any address"
            for policy, rule in allows(objects)
            for principal in _principals(rule)
            if (found := PRINCIPAL.match(principal)) and found["namespace"] != NAMESPACE
            if found["account"] != edge and CLAIMS_NOBODY not in (rule.get("when") or [])
        ]

    check.__name__ = "the_edge_alone_tells_addresses"
    return check


def everyone_speaks_mutual_tls(objects: Objects) -> list[str]:
    """STRICT for the namespace; where one port differs, it is the one that metrics are read from.

    Nothing in front of the gateway wants a JWT: Istio would refuse API keys, which are none.
    """
    if not of_kind(objects, "AuthorizationPolicy"):
        return []
    policies = of_kind(objects, "PeerAuthentication")
    whole = [each for each in policies if "selector" not in each["spec"]]
    faults = [] if len(whole) == 1 else [f"{len(whole)} PeerAuthentications for the namespace"]
    faults += [
        f"{title(policy)}: mTLS is {mode}"
        for policy in policies
        if (mode := (policy["spec"].get("mtls") or {}).get("mode")) != "STRICT"
    ]
    faults += [
        f"{title(policy)}: mTLS of port {port} is {mtls['mode']}"
        for policy in policies
        for port, mtls in (policy["spec"].get("portLevelMtls") or {}).items()
        if mtls["mode"] != "STRICT" and str(port) != "9464"
    ]
    faults += [
        f"{title(rule)}: tls is {mode}"
        for rule in of_kind(objects, "DestinationRule")
        if (mode := (rule["spec"].get("trafficPolicy") or {}).get("tls", {}).get("mode"))
        not in (None, "ISTIO_MUTUAL")
    ]
    jwt = of_kind(objects, "RequestAuthentication")
    return faults + [f"{title(each)}: API keys are no JWT" for each in jwt]


def _components(selector: Mapping[str, Object] | None, objects: Objects) -> set[str]:
    return {pod.component for pod in running_pods(objects) if selects(selector or {}, pod.labels)}


def allowed_calls(objects: Objects) -> set[Pair]:
    """By the mesh, over gRPC."""
    accounts = {pod.spec.get("serviceAccountName"): pod.component for pod in running_pods(objects)}
    pairs = set()
    for policy, rule in allows(objects):
        if not any(_is_grpc(each) for each in _operations(rule)):
            continue
        for principal in _principals(rule):
            found = PRINCIPAL.match(principal)
            caller = accounts.get(found["account"], "") if found else ""
            if found and found["namespace"] != NAMESPACE:
                caller = EXTERNAL
            pairs |= {
                (caller, called) for called in _components(policy["spec"].get("selector"), objects)
            }
    return pairs


def open_connections(objects: Objects) -> set[Pair]:
    """By the network's policies, to gRPC's port."""
    pairs = set()
    for policy in of_kind(objects, "NetworkPolicy"):
        called = _components(policy["spec"]["podSelector"], objects) & set(SERVICES)
        for rule in policy["spec"].get("ingress") or []:
            if not _lets_in(rule, GRPC_PORT):
                continue
            for peer in rule.get("from") or [{"namespaceSelector": {}}]:
                pairs |= {(caller, each) for caller in _callers(peer, objects) for each in called}
    return pairs


def _lets_in(rule: Object, port: int) -> bool:
    ports = [each.get("port") for each in rule.get("ports") or []]
    return not ports or port in ports or "grpc" in ports


def _callers(peer: Object, objects: Objects) -> set[str]:
    if "namespaceSelector" in peer or "ipBlock" in peer:
        return {EXTERNAL}
    return _components(peer.get("podSelector"), objects)


def mesh_and_network_agree(objects: Objects) -> list[str]:
    """Where both are there, both let the same services call each other."""
    if not of_kind(objects, "AuthorizationPolicy") or not of_kind(objects, "NetworkPolicy"):
        return []
    mesh, network = allowed_calls(objects), open_connections(objects)
    return [
        *(f"the network alone lets {caller} call {called}" for caller, called in network - mesh),
        *(f"the mesh alone lets {caller} call {called}" for caller, called in mesh - network),
    ]


def callers_are_the_values(callers: set[Pair]) -> Callable[[Objects], list[str]]:
    """`callers` of the values says who calls whom, and each kind of policy says the same."""

    def check(objects: Objects) -> list[str]:
        faults = []
        for kind, pairs in (
            ("AuthorizationPolicy", allowed_calls(objects)),
            ("NetworkPolicy", open_connections(objects)),
        ):
            if of_kind(objects, kind):
                faults += [f"{kind}: lets {a} call {b}" for a, b in sorted(pairs - callers)]
                faults += [f"{kind}: keeps {a} from {b}" for a, b in sorted(callers - pairs)]
        return faults

    return check


def everything_is_closed_by_default(objects: Objects) -> list[str]:
    """With network policies, one that lets nothing in and nothing out holds for every pod."""
    policies = of_kind(objects, "NetworkPolicy")
    if not policies:
        return []
    closing = [
        policy["spec"]["podSelector"]
        for policy in policies
        if not policy["spec"].get("ingress")
        and not policy["spec"].get("egress")
        and set(policy["spec"].get("policyTypes") or []) == {"Ingress", "Egress"}
    ]
    return [
        f"{pod.title}: no NetworkPolicy keeps it from talking to everybody"
        for pod in pods(objects)
        if not any(selects(selector, pod.labels) for selector in closing)
    ]


def pods_may_ask_for_names(objects: Objects) -> list[str]:
    """Services that are kept from calling others may still call DNS, over both protocols."""
    if not of_kind(objects, "NetworkPolicy"):
        return []
    faults = []
    for pod in (each for each in pods(objects) if each.service in SERVICES):
        open_ports = {
            (port.get("protocol", "TCP"), port.get("port"))
            for policy in of_kind(objects, "NetworkPolicy")
            if selects(policy["spec"]["podSelector"], pod.labels)
            for rule in policy["spec"].get("egress") or []
            for port in rule.get("ports") or []
        }
        faults += [
            f"{pod.title}: cannot ask for names over {protocol}"
            for protocol in ("UDP", "TCP")
            if not open_ports & {(protocol, 53), (protocol, "dns"), (protocol, "dns-tcp")}
        ]
    return faults
