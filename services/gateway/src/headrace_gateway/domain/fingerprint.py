"""The digest under which the cache knows a request."""

import dataclasses
import hashlib

import orjson

from headrace_gateway.domain.completion import CompletionRequest


def request_digest(request: CompletionRequest) -> bytes:
    """SHA-256 over every field of the request in canonical JSON: whatever may change the answer.

    Whole dataclasses are hashed, so a field that is added later changes the digest by itself.
    """
    fields = {f.name: getattr(request, f.name) for f in dataclasses.fields(request)}
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    return hashlib.sha256(orjson.dumps(fields, option=options)).digest()
