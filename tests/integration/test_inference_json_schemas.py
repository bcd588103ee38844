"""What the llamacpp engine writes under a bounded JSON schema fits the schema, always."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from tests.integration.llamacpp_engine import ask_all, running_engine

from headrace_inference.adapters.llamacpp.engine import LlamaCppEngine
from headrace_inference.domain.events import FinishReason
from headrace_inference.domain.requests import JsonSchema
from headrace_inference.testing import collect, prepared_model, request_for

SCHEMAS = 200
DEEPEST = 2
CONTEXT_TOKENS = 128
MAXIMUM_TOKENS = 64
MOST_CUT = 40
WORDS = ("red", "green", "blue", "north", "south", "ja", "nein", "水", "火")

Schema = dict[str, Any]


def draw_schema(draw: random.Random, depth: int = DEEPEST) -> Schema:
    """A schema whose documents are all short."""
    plain = (_boolean, _integer, _string, _choice)
    make = draw.choice((*plain, _array, _object) if depth else plain)
    return make(draw, depth)


def _boolean(_draw: random.Random, _depth: int) -> Schema:
    return {"type": "boolean"}


def _integer(draw: random.Random, _depth: int) -> Schema:
    lowest = draw.randint(-50, 50)
    return {"type": "integer", "minimum": lowest, "maximum": lowest + draw.randint(0, 500)}


def _string(draw: random.Random, _depth: int) -> Schema:
    shortest = draw.randint(0, 3)
    return {"type": "string", "minLength": shortest, "maxLength": shortest + draw.randint(0, 5)}


def _choice(draw: random.Random, _depth: int) -> Schema:
    return {"enum": [*draw.sample(WORDS, draw.randint(1, 4)), None, draw.randint(-9, 9)]}


def _array(draw: random.Random, depth: int) -> Schema:
    fewest = draw.randint(0, 2)
    items = draw_schema(draw, depth - 1)
    return {
        "type": "array",
        "items": items,
        "minItems": fewest,
        "maxItems": draw.randint(fewest, 3),
    }


def _object(draw: random.Random, depth: int) -> Schema:
    names = draw.sample("abcdef", draw.randint(1, 2))
    return {
        "type": "object",
        "properties": {name: draw_schema(draw, depth - 1) for name in names},
        "required": draw.sample(names, draw.randint(0, len(names))),
        "additionalProperties": False,
    }


async def answer(engine: LlamaCppEngine, numbered: tuple[int, Schema]) -> str | None:
    """What the engine writes, by chance rather than by likelihood; None if it was cut."""
    seed, schema = numbered
    form = JsonSchema(json.dumps(schema))
    asked = request_for("JSON: ", temperature=1.0, seed=seed, max_tokens=MAXIMUM_TOKENS)
    request = replace(asked, response_format=form)
    await engine.check(request)
    got = await collect(engine, request)
    return None if got.finished[0].reason is FinishReason.LENGTH else got.texts[0]


async def test_what_is_written_under_200_bounded_schemas_fits_them(
    report: Callable[[str], None],
) -> None:
    draw = random.Random(5)
    schemas = (draw_schema(draw) for _ in range(SCHEMAS + MOST_CUT))
    complete: list[tuple[Schema, str]] = []
    asked = 0
    async with running_engine(prepared_model(), CONTEXT_TOKENS) as engine:
        while few := list(islice(schemas, SCHEMAS - len(complete))):
            texts = await ask_all(partial(answer, engine), enumerate(few, asked))
            asked += len(few)
            complete += [(form, text) for form, text in zip(few, texts, strict=True) if text]
    fitting = [
        text for schema, text in complete if Draft202012Validator(schema).is_valid(json.loads(text))
    ]
    report(
        f"{len(fitting)} of {len(complete)} answers fit their schemas, {len(set(fitting))} of them"
        f" different; {asked - len(complete)} more were cut by max_tokens"
    )
    assert len(fitting) == len(complete) == SCHEMAS
