"""The digest under which the cache knows a request."""

import dataclasses
import hashlib

import orjson

from headrace_gateway.domain.completion import CompletionRequest

ONLY_WHEN = frozenset({"priority"})
"""Fields that change when an answer comes, and nothing in it."""


def request_digest(request: CompletionRequest) -> bytes:
    """SHA-256 over the request's fields in canonical JSON: over whatever may change the answer.

    Whole dataclasses are hashed, so a field that is added later changes the digest by itself.
    """
    names = {field.name for field in dataclasses.fields(request)} - ONLY_WHEN
    fields = {name: getattr(request, name) for name in names}
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    return hashlib.sha256(orjson.dumps(fields, option=options)).digest()
