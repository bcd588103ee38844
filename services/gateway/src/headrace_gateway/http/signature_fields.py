"""Parses the fields of a signed request, which are Structured Fields (RFC 9651): strictly."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import http_sf

from headrace_gateway.domain.signed_request import DIGESTS

MAXIMUM_COMPONENTS = 32
MAXIMUM_NONCE_CHARACTERS = 128

PARAMETERS: Mapping[str, type] = MappingProxyType(
    {"created": int, "keyid": str, "nonce": str, "expires": int, "alg": str, "tag": str}
)
"""RFC 9421, section 2.3. One that we do not know might restrict what we would then allow."""
REQUIRED_PARAMETERS = frozenset({"created", "keyid", "nonce"})

_KEY_ID = re.compile(r"[0-9A-Za-z]{17}")


@dataclass(frozen=True, slots=True)
class SignatureFields:
    """The one signature of a request, as its sender states it."""

    components: tuple[str, ...]
    parameters: Mapping[str, Any]
    """Of the types in `PARAMETERS`."""
    signature_params: str
    """Components and parameters as the last line of the signature base spells them."""
    signature: bytes


def parse_signature(signature_input: bytes, signature: bytes) -> SignatureFields:
    """The members of Signature-Input and Signature (RFC 9421, section 4).

    Raises ValueError unless both have the same single label, the components are distinct names
    without parameters, and the signature's parameters have their names, types and lengths.
    """
    inputs, signatures = _dictionary(signature_input), _dictionary(signature)
    if len(inputs) != 1 or inputs.keys() != signatures.keys():
        raise ValueError("not one signature under one label")
    [(covered, parameters)] = inputs.values()
    [(value, value_parameters)] = signatures.values()
    if type(value) is not bytes or not value or value_parameters:
        raise ValueError("the signature is not a plain byte sequence")
    components = _components(covered)
    _check_parameters(parameters)
    signature_params = http_sf.ser([(covered, parameters)])
    return SignatureFields(components, MappingProxyType(parameters), signature_params, value)


def parse_content_digest(value: bytes) -> Mapping[str, bytes]:
    """The digests whose algorithms are in `DIGESTS` (RFC 9530, section 2); others are ignored.

    Raises ValueError if there is none or one of them cannot be a digest.
    """
    members = _dictionary(value)
    digests = {name: members[name][0] for name in DIGESTS if name in members}
    if not digests:
        raise ValueError("no digest of a known algorithm")
    for name, digest in digests.items():
        if type(digest) is not bytes or len(digest) != DIGESTS[name]().digest_size:
            raise ValueError(f"not a {name} digest")
    return MappingProxyType(digests)


def _dictionary(value: bytes) -> dict[str, tuple[Any, dict[str, Any]]]:
    parsed = http_sf.parse(value, tltype="dictionary", on_duplicate_key=_refuse_duplicate)
    return cast(dict[str, tuple[Any, dict[str, Any]]], parsed)


def _refuse_duplicate(key: str, context: str) -> None:
    # Structured Fields keep the last one; a reader that keeps the first would see another request.
    raise ValueError(f"the {context} key {key} is repeated")


def _components(covered: Any) -> tuple[str, ...]:
    if not isinstance(covered, list) or len(covered) > MAXIMUM_COMPONENTS:
        raise ValueError(f"not a list of at most {MAXIMUM_COMPONENTS} components")
    if any(type(name) is not str or parameters for name, parameters in covered):
        raise ValueError("a component is not a string without parameters")
    components = tuple(name for name, _ in covered)
    if len(set(components)) != len(components):
        raise ValueError("a component is repeated")
    return components


def _check_parameters(parameters: Mapping[str, Any]) -> None:
    if not parameters.keys() >= REQUIRED_PARAMETERS:
        raise ValueError("a required parameter is missing")
    for name, value in parameters.items():
        if type(value) is not PARAMETERS.get(name):
            raise ValueError(f"the parameter {name} is unknown or has another type")
    if not _KEY_ID.fullmatch(parameters["keyid"]):
        raise ValueError("keyid has not the form of a key's id")
    if not 1 <= len(parameters["nonce"]) <= MAXIMUM_NONCE_CHARACTERS:
        raise ValueError(f"nonce has not from 1 to {MAXIMUM_NONCE_CHARACTERS} characters")
