"""Spells a request as the text that its sender signed: the signature base (RFC 9421, section 2.5).

The request is what the ASGI scope holds. Behind a proxy that is what the proxy passed on, with the
scheme that a trusted one reports: a client must send a path that Envoy has no need to normalise.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from starlette.types import Scope

MAXIMUM_FIELD_BYTES = 8192
MAXIMUM_BASE_BYTES = 32_768

_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_AUTHORITY = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::(?P<port>[0-9]*))?"
)
_DEFAULT_PORTS = MappingProxyType({"http": "80", "https": "443"})


def signature_base(scope: Scope, components: Iterable[str], signature_params: str) -> bytes:
    """One line for each component, then the line of `signature_params`; ASCII, no final newline.

    Raises ValueError for a component that is unknown, absent from the request, or has a value that
    could pass for another line.
    """
    lines = [f'"{component}": {_component(scope, component)}' for component in components]
    lines.append(f'"@signature-params": {signature_params}')
    base = "\n".join(lines).encode("ascii")
    if len(base) > MAXIMUM_BASE_BYTES:
        raise ValueError(f"the signature base has more than {MAXIMUM_BASE_BYTES} bytes")
    return base


def field_value(scope: Scope, name: str) -> bytes | None:
    """A field's lines, stripped and joined (RFC 9421, section 2.1); None if there is none.

    Raises ValueError if it is longer than `MAXIMUM_FIELD_BYTES`.
    """
    wanted = name.encode()
    values = [value.strip(b" \t") for header, value in scope["headers"] if header == wanted]
    if not values:
        return None
    joined = b", ".join(values)
    if len(joined) > MAXIMUM_FIELD_BYTES:
        raise ValueError(f"the field {name} has more than {MAXIMUM_FIELD_BYTES} bytes")
    return joined


def _component(scope: Scope, name: str) -> str:
    derive = _DERIVED.get(name)
    value = derive(scope) if derive else _field(scope, name)
    if not _VALUE.fullmatch(value):
        raise ValueError(f"{name} has a character that a signature base cannot hold")
    return value


def _field(scope: Scope, name: str) -> str:
    value = field_value(scope, name) if _FIELD_NAME.fullmatch(name) else None
    if value is None:
        raise ValueError("a covered component is unknown or not in the request")
    return value.decode("ascii")


def _method(scope: Scope) -> str:
    return str(scope["method"])


def _scheme(scope: Scope) -> str:
    return str(scope["scheme"]).lower()


def _path(scope: Scope) -> str:
    raw: bytes = scope["raw_path"]
    return raw.decode("ascii") or "/"


def _query(scope: Scope) -> str:
    # A lone "?" cannot be told from none in the scope; RFC 9421 spells both alike here.
    query: bytes = scope["query_string"]
    return "?" + query.decode("ascii")


def _request_target(scope: Scope) -> str:
    return _path(scope) + (_query(scope) if scope["query_string"] else "")


def _authority(scope: Scope) -> str:
    """As RFC 9110, section 4.2.3, normalises it: lower case, without the scheme's own port."""
    match = _AUTHORITY.fullmatch(_host(scope))
    if match is None:
        raise ValueError("Host is not a host with or without a port")
    host, port = match["host"].lower(), match["port"] or ""
    return host if port in ("", _DEFAULT_PORTS.get(_scheme(scope))) else f"{host}:{port}"


def _target_uri(scope: Scope) -> str:
    """As RFC 9110, section 7.1, puts it together, with Host as it was sent."""
    _authority(scope)
    return f"{_scheme(scope)}://{_host(scope)}{_request_target(scope)}"


def _host(scope: Scope) -> str:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1:
        raise ValueError("not exactly one Host")
    host: bytes = hosts[0]
    return host.decode("ascii").strip(" \t")


_DERIVED: Mapping[str, Callable[[Scope], str]] = MappingProxyType(
    {
        "@method": _method,
        "@authority": _authority,
        "@scheme": _scheme,
        "@target-uri": _target_uri,
        "@request-target": _request_target,
        "@path": _path,
        "@query": _query,
    }
)
