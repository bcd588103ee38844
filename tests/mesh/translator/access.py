"""PeerAuthentications and AuthorizationPolicies: who may call a pod, and which of its methods."""

import re
from collections.abc import Iterator
from typing import Any

from tests.mesh.translator.cluster import Workload, selects
from tests.mesh.translator.fields import Fields, UntranslatedError
from tests.mesh.translator.objects import Object, Rendered, spec_of

from headrace_local.envoy import extension

Config = dict[str, Any]
HTTP_RBAC = "filters.http.rbac.v3.RBAC"
TCP_RBAC = "filters.network.rbac.v3.RBAC"
MODES = ("STRICT", "PERMISSIVE", "DISABLE")
HEADER = re.compile(r"request\.headers\[(?P<name>[a-z0-9-]+)]")
ANY: Config = {"any": True}
NEVER: Config = {
    "permissions": [{"not_rule": ANY}],
    "principals": [{"not_id": ANY}],
}
"""A policy without rules: it lets nobody in, and so whoever no other policy lets in stays out."""


def mutual_tls_mode(rendered: Rendered, workload: Workload, port: int) -> str:
    """STRICT, PERMISSIVE or DISABLE; what is not said is PERMISSIVE, as in Istio."""
    chosen, of_port = "PERMISSIVE", ""
    policies = rendered.mesh["PeerAuthentication"]
    # Those of the namespace first: the more particular ones win.
    for each in sorted(policies, key=lambda one: "selector" in one["spec"]):
        mode, ports, is_meant = _read_peer_authentication(each, workload)
        if is_meant:
            chosen, of_port = mode or chosen, ports.get(port, of_port)
    return of_port or chosen


def _read_peer_authentication(
    value: Object, workload: Workload
) -> tuple[str, dict[int, str], bool]:
    spec = spec_of(value)
    with spec.inner("mtls") as mtls:
        mode = _mode(mtls)
    ports = {}
    with spec.inner("portLevelMtls") as by_port:
        for number in by_port.names():
            with by_port.inner(number) as mtls:
                ports[int(number)] = _mode(mtls)
    is_meant = _selects(spec, value, workload)
    spec.end()
    return mode, ports, is_meant


def _mode(mtls: Fields) -> str:
    mode = mtls.text("mode")
    if mode not in ("", *MODES):
        raise UntranslatedError(f"{mtls.path}.mode: {mode!r} is not translated")
    return mode


def _selects(spec: Fields, value: Object, workload: Workload) -> bool:
    with spec.inner("selector") as selector:
        labels = selector.labels("matchLabels")
    return value["metadata"]["namespace"] == workload.namespace and selects(labels, workload.labels)


def access_filters(
    rendered: Rendered, workload: Workload, port: int, *, is_http: bool
) -> list[Config]:
    """Filters of Envoy: who is refused, then who is let in; none where nothing is said."""
    policies: dict[str, Config] = {"DENY": {}, "ALLOW": {}}
    for each in rendered.mesh["AuthorizationPolicy"]:
        spec = spec_of(each)
        is_meant = _selects(spec, each, workload)
        action = spec.text("action", "ALLOW")
        if action not in policies:
            raise UntranslatedError(f"{spec.path}.action: {action!r} is not translated")
        name = f"{each['metadata']['namespace']}/{each['metadata']['name']}"
        rules = {
            f"{name}[{number}]": rule
            for number, rule in enumerate(_rules(spec, port, is_http=is_http))
        }
        spec.end()
        if is_meant:
            policies[action] |= rules or {name: NEVER}
    return [
        _filter(action, chosen, is_http=is_http) for action, chosen in policies.items() if chosen
    ]


def _filter(action: str, policies: Config, *, is_http: bool) -> Config:
    rules = {"rules": {"action": action, "policies": policies}}
    if is_http:
        return extension(HTTP_RBAC, rules)
    return extension(TCP_RBAC, {**rules, "stat_prefix": f"{action.lower()}."})


def _rules(spec: Fields, port: int, *, is_http: bool) -> Iterator[Config]:
    for rule in spec.each("rules"):
        sources = [_source(each) for each in rule.each("from")]
        operations = [_operation(each, port, is_http=is_http) for each in rule.each("to")]
        conditions = [_condition(each) for each in rule.each("when")]
        if conditions and not is_http:
            raise UntranslatedError(f"{rule.path}.when: no header comes to a port without HTTP")
        who = {"and_ids": {"ids": [{"or_ids": {"ids": sources or [ANY]}}, *conditions]}}
        yield {"permissions": operations or [ANY], "principals": [who]}


def _source(each: Fields) -> Config:
    with each.inner("source") as source:
        principals = [_principal(name) for name in source.texts("principals")]
        namespaces = [_namespace(name) for name in source.texts("namespaces")]
    return {"and_ids": {"ids": _all_of("or_ids", "ids", principals, namespaces)}}


def _condition(each: Fields) -> Config:
    """That a request has no such header, which is the only one that the chart sets."""
    header = HEADER.fullmatch(each.needed("key"))
    if header is None or each.texts("notValues") != ["*"]:
        raise UntranslatedError(f"{each.path}: only the absence of a header is translated")
    return {"not_id": {"header": {"name": header["name"], "present_match": True}}}


def _principal(name: str) -> Config:
    """`cluster.local/ns/NAMESPACE/sa/NAME`, with a star at its end or beginning, or only a star."""
    if name == "*":
        match: Config = {"safe_regex": {"regex": ".+"}}
    elif name.startswith("*"):
        match = {"suffix": name[1:]}
    else:
        match = _string_match(f"spiffe://{name}")
    return {"authenticated": {"principal_name": match}}


def _namespace(name: str) -> Config:
    match = {"safe_regex": {"regex": f".*/ns/{name}/.*"}}
    return {"authenticated": {"principal_name": match}}


def _operation(each: Fields, port: int, *, is_http: bool) -> Config:
    with each.inner("operation") as operation:
        paths = [{"url_path": {"path": _string_match(path)}} for path in operation.texts("paths")]
        # Pods listen on other ports here, so it is told now whether a port is meant.
        ports = operation.texts("ports")
    meant = [ANY if str(port) in ports else {"not_rule": ANY}] if ports else []
    if paths and not is_http:  # nothing has a path there, and so nothing is let in by it
        return {"not_rule": ANY}
    return {"and_rules": {"rules": _all_of("or_rules", "rules", paths, meant)}}


def _all_of(either: str, items: str, *groups: list[Config]) -> list[Config]:
    """One of each group that has any must be met."""
    return [{either: {items: group}} for group in groups if group] or [ANY]


def _string_match(text: str) -> Config:
    if "*" in text.rstrip("*") or "{" in text:
        raise UntranslatedError(f"{text!r} is no text that may end with a star")
    return {"prefix": text[:-1]} if text.endswith("*") else {"exact": text}
