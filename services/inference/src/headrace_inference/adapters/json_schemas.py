"""Says no to JSON schemas that llama.cpp would silently ignore."""

import json

from llguidance import LLMatcher

from headrace_common.errors import HeadraceError, Reason

PARAM = "response_format.json_schema"


def check_schema(schema: str) -> None:
    """Raise INVALID_FIELD for what is no JSON Schema, or one that cannot be enforced in full.

    llama.cpp compiles schemas with llguidance, and when that fails it only logs and generates free
    text. So the same compiler is asked first.
    """
    try:
        document = json.dumps(json.loads(schema))
    except (ValueError, RecursionError) as error:
        raise HeadraceError(
            Reason.INVALID_FIELD, f"{PARAM} is not valid JSON", param=PARAM
        ) from error
    complaint = LLMatcher.validate_grammar(f"%llguidance {{}}\nstart: %json {document}", None)
    if complaint:
        what = complaint.splitlines()[0].rpartition("failed to compile JSON schema: ")[2]
        raise HeadraceError(
            Reason.INVALID_FIELD, f"{PARAM} cannot be enforced: {what}", param=PARAM
        )
