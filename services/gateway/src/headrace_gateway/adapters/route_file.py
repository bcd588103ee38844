"""A route table in a YAML file, which is read again whenever it changes; docs/routing.md."""

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from headrace_common.logs import get_logger
from headrace_common.settings import ADDRESS
from headrace_gateway.adapters.watched_file import WatchedFile
from headrace_gateway.adapters.yaml_reader import FileFaultError, YamlReader
from headrace_gateway.domain.completion import MODEL_CHARACTERS
from headrace_gateway.domain.routes import (
    COHORT,
    COHORT_RULE,
    DEFAULT_WEIGHT,
    MAXIMUM_WEIGHT,
    Endpoint,
    Group,
    RouteTable,
    Target,
)

MODEL = re.compile(rf".{{1,{MODEL_CHARACTERS}}}", re.DOTALL)
MODEL_RULE = f"must be 1 to {MODEL_CHARACTERS} characters"
COHORT_OR_NONE = re.compile(rf"({COHORT.pattern})?")


class RouteFile:
    """TargetSource over a file. A change that breaks a rule is logged, and the last table kept."""

    def __init__(self, path: Path, *, refresh_seconds: float) -> None:
        self._file = WatchedFile(path, parse_routes)
        self._refresh_seconds = refresh_seconds

    async def tables(self) -> AsyncGenerator[RouteTable, None]:
        yield await asyncio.to_thread(self._file.load)
        while True:
            await asyncio.sleep(self._refresh_seconds)
            try:
                table = await self._file.look()
            except FileFaultError as error:
                get_logger().error("routes_refused", reason=error.message)
                continue
            if table is not None:
                yield table


def parse_routes(content: bytes, source: str) -> RouteTable:
    """The table in a file called `source`; raises FileFaultError."""
    reader = YamlReader(source)
    top = reader.fields(reader.parse(content), "file", ("models",), required=("models",))
    table: dict[str, tuple[Group, ...]] = {}
    for model, node in reader.mapping(top["models"], "models").items():
        name = f"models.{model}"
        if not MODEL.fullmatch(model):
            raise reader.fault(node, name, f"a model's id {MODEL_RULE}")
        groups = reader.some(node, name)
        table[model] = tuple(_group(reader, group, its_name, model) for group, its_name in groups)
    return table


def _group(reader: YamlReader, node: Any, name: str, model: str) -> Group:
    fields = reader.fields(node, name, ("targets",), required=("targets",))
    targets = reader.some(fields["targets"], f"{name}.targets")
    return tuple(_target(reader, target, its_name, model) for target, its_name in targets)


def _target(reader: YamlReader, node: Any, name: str, model: str) -> Target:
    """A target of a route for `model`, which it knows by the same id unless it says another."""
    known = ("address", "model", "weight", "cohort")
    fields = reader.fields(node, name, known, required=("address",))

    def text(key: str, pattern: re.Pattern[str], rule: str, default: str = "") -> str:
        if key not in fields:
            return default
        return reader.matching(fields[key], f"{name}.{key}", pattern, rule)

    address = text("address", ADDRESS, "must be host:port")
    its_model = text("model", MODEL, MODEL_RULE, model)
    cohort = text("cohort", COHORT_OR_NONE, COHORT_RULE)
    weight = DEFAULT_WEIGHT
    if "weight" in fields:
        weight = reader.whole_number(fields["weight"], f"{name}.weight", 0, MAXIMUM_WEIGHT)
    return Target(Endpoint(address, cohort), its_model, weight)
