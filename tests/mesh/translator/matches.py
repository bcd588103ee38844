"""The conditions of a VirtualService's routes; each of them is a route of its own in Envoy."""

from dataclasses import dataclass, field
from typing import Any

from tests.mesh.translator.fields import Fields, UntranslatedError

Config = dict[str, Any]
KINDS = ("exact", "prefix", "regex")


@dataclass(frozen=True, slots=True)
class Condition:
    """What a request must look like, and at which gateways."""

    match: Config
    gateways: list[str] = field(default_factory=list)
    """Empty: those of the whole VirtualService."""


def conditions_of(http: Fields, port: int) -> list[Condition]:
    """Those that calls to this port can meet."""
    if "match" not in http:
        return [Condition({"prefix": "/"})]
    found = []
    for match in http.each("match"):
        match.text("name")
        condition = Condition({**_path(match), **_headers(match)}, match.texts("gateways"))
        if match.number("port") in (None, port):
            found.append(condition)
    return found


def _path(match: Fields) -> Config:
    if "uri" not in match:
        return {"prefix": "/"}
    with match.inner("uri") as uri:
        kind, value = _one_of_kinds(uri)
    if kind == "regex":
        return {"safe_regex": {"regex": value}}
    return {"path" if kind == "exact" else "prefix": value}


def _headers(match: Fields) -> Config:
    matchers = []
    with match.inner("headers") as headers:
        for name in headers.names():
            with headers.inner(name) as header:
                matchers.append({"name": name, "string_match": string_match(header)})
    if "method" in match:
        with match.inner("method") as method:
            matchers.append({"name": ":method", "string_match": string_match(method)})
    return {"headers": matchers} if matchers else {}


def string_match(fields: Fields) -> Config:
    """Istio's and Envoy's differ in regular expressions only."""
    kind, value = _one_of_kinds(fields)
    return {"safe_regex": {"regex": value}} if kind == "regex" else {kind: value}


def _one_of_kinds(fields: Fields) -> tuple[str, str]:
    kinds = [kind for kind in KINDS if kind in fields]
    if len(kinds) != 1:
        raise UntranslatedError(f"{fields.path}: exactly one of {', '.join(KINDS)} is translated")
    return kinds[0], fields.text(kinds[0])
