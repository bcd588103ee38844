"""A route table in a YAML file, which is read again whenever it changes; docs/routing.md."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from headrace_common.errors import HeadraceError, Reason
from headrace_common.logs import get_logger
from headrace_common.settings import Address
from headrace_gateway.domain.routes import (
    COHORT,
    DEFAULT_WEIGHT,
    MAXIMUM_WEIGHT,
    Endpoint,
    Group,
    RouteTable,
    Target,
)

MAXIMUM_BYTES = 1024 * 1024
MAXIMUM_VALUES = 100_000
"""With keys; aliases of aliases make of a few hundred bytes as many as there is memory for."""

ModelId = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Where = tuple[str, ...]
"""Keys and positions that lead to a value."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Target(_Strict):
    address: Address
    model: ModelId | None = None
    weight: int = Field(default=DEFAULT_WEIGHT, ge=0, le=MAXIMUM_WEIGHT)
    cohort: str = Field(default="", pattern=rf"^({COHORT.pattern})?$")


class _Group(_Strict):
    targets: list[_Target] = Field(min_length=1)

    def domain(self, model: str) -> Group:
        """The group in a route of `model`, which targets know by the same id unless they say."""
        return tuple(
            Target(Endpoint(each.address, each.cohort), each.model or model, each.weight)
            for each in self.targets
        )


class _File(_Strict):
    models: dict[ModelId, Annotated[list[_Group], Field(min_length=1)]]


class RouteFile:
    """TargetSource over a file. A change that breaks a rule is logged, and the last table kept."""

    def __init__(self, path: Path, *, refresh_seconds: float) -> None:
        self._path = path
        self._refresh_seconds = refresh_seconds

    async def tables(self) -> AsyncGenerator[RouteTable, None]:
        known = await asyncio.to_thread(self._read)
        yield parse_routes(known, self._path.name)
        problem = ""
        while True:
            await asyncio.sleep(self._refresh_seconds)
            try:
                content = await asyncio.to_thread(self._read)
                if content == known:
                    continue
                known = content
                # In a thread: a large file takes seconds, and requests do not wait for it.
                table = await asyncio.to_thread(parse_routes, content, self._path.name)
            except HeadraceError as error:
                if problem != error.message:  # said once, not at every look
                    problem = error.message
                    get_logger().error("routes_refused", reason=problem)
                continue
            problem = ""
            yield table

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                content = file.read(MAXIMUM_BYTES + 1)
        except OSError as error:
            raise _invalid(f"{self._path.name}: {error.strerror}") from error
        if len(content) > MAXIMUM_BYTES:
            raise _invalid(f"{self._path.name}: at most {MAXIMUM_BYTES} bytes")
        return content


def parse_routes(content: bytes, name: str) -> RouteTable:
    """The table in a file of this name; raises INVALID_FIELD with line, field and rule."""
    try:
        text = content.decode()
        root = yaml.compose(text, yaml.SafeLoader)
        found = list(islice(_lines(root), MAXIMUM_VALUES + 1)) if root else []
        if len(found) > MAXIMUM_VALUES:
            rule = f"more than {MAXIMUM_VALUES} values, aliases counted wherever they are used"
            raise _invalid(f"{name}: {rule}")
        lines = {(): 1} | dict(found)
        body = _File.model_validate(yaml.safe_load(text))
    except UnicodeDecodeError as error:
        raise _invalid(f"{name}: must be UTF-8") from error
    except RecursionError as error:
        raise _invalid(f"{name}: is nested too deeply") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _invalid(f"{name}, line {line}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise _invalid(f"{name}: a character that YAML does not allow") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        where = tuple(map(str, first["loc"]))
        line = next(lines[where[:n]] for n in range(len(where), -1, -1) if where[:n] in lines)
        field = ".".join(where) or "the file"
        raise _invalid(f"{name}, line {line}: {field}: {first['msg']}") from error
    except ValueError as error:  # of a date that there is not, or a number without digits
        raise _invalid(f"{name}: a value that YAML cannot read: {error}") from error
    return {
        model: tuple(group.domain(model) for group in groups)
        for model, groups in body.models.items()
    }


def _lines(node: yaml.Node, where: Where = ()) -> Iterator[tuple[Where, int]]:
    """The line of each value, counted from 1; YAML itself lets the last of two equal keys win."""
    yield where, node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield from _lines(value, (*where, str(position)))
    elif isinstance(node, yaml.MappingNode):
        known: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _fault(key, "a key must be text")
            if key.value in known:
                raise _fault(key, f"{key.value} is there twice")
            known.add(key.value)
            yield from _lines(value, (*where, key.value))
            yield (*where, key.value), key.start_mark.line + 1


def _fault(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _invalid(message: str) -> HeadraceError:
    return HeadraceError(Reason.INVALID_FIELD, message, param="routes_file")
