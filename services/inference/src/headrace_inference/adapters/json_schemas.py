"""Says no to JSON schemas that llama.cpp would silently ignore."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

from llguidance import LLMatcher

from headrace_common.errors import HeadraceError, Reason

PARAM = "response_format.json_schema"
COMPILE_SECONDS = 2.0


class SchemaChecker:
    """Checks one schema at a time, in a thread of its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "json schema")

    async def check(self, schema: str) -> None:
        """Raise INVALID_FIELD for a schema that cannot be enforced, or not be checked in time."""
        work = asyncio.get_running_loop().run_in_executor(self._thread, check_schema, schema)
        try:
            async with asyncio.timeout(COMPILE_SECONDS):
                await work
        except TimeoutError as error:
            message = f"{PARAM} takes longer than {COMPILE_SECONDS:g} s to compile"
            raise HeadraceError(Reason.INVALID_FIELD, message, param=PARAM) from error

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


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
