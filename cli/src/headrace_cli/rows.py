"""A row of a table of commands: a call of the API, what it is told, and what it shows."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from headrace_cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class Input:
    """Something that a person types: a field of the path, of the query or of the body."""

    name: str
    """Of the field."""
    help: str = ""
    option: str = ""
    """`--...`; empty for an argument. What has no default must be given if it is one of these."""
    parse: Callable[[Any], Any] | None = None
    """Raises ValueError with the rule."""
    required: bool = False
    many: bool = False
    flag: bool = False
    whole: bool = False
    """The parsed value is the whole body; what is typed is the name of the file that holds it."""
    label: str = ""
    """Of an argument, where the field's name says too much."""

    def parameter(self) -> inspect.Parameter:
        """As typer wants it."""
        kind: Any = bool if self.flag else list[str] if self.many else str
        metavar = self.label or self.name.removesuffix("_id").upper()
        annotation: Any
        if not self.option:
            annotation = Annotated[kind, typer.Argument(help=self.help, metavar=metavar)]
            default: Any = inspect.Parameter.empty
        else:
            given = kind if self.required or self.flag else kind | None
            annotation = Annotated[given, typer.Option(self.option, help=self.help)]
            default = inspect.Parameter.empty if self.required else False if self.flag else None
        keyword = inspect.Parameter.KEYWORD_ONLY
        return inspect.Parameter(self.name, keyword, annotation=annotation, default=default)

    def value(self, typed: Any) -> Any:
        """Raises UsageError."""
        try:
            return typed if self.parse is None else self.parse(typed)
        except ValueError as error:
            name = typed if self.whole else self.option or self.label or self.name
            raise UsageError(f"{name}: {error}.") from None


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    name: str
    method: str
    path: str
    """Its parameters are inputs."""
    help: str
    inputs: Sequence[Input] = ()
    columns: Sequence[str] = ()
    """Of a list; what has none shows one thing."""
    done: str = ""
    """What has happened to the thing, for example `revoked`; empty for what only reads."""
    present: str = ""
    """Where the thing is now: its own path, or the list that it is in."""
    same: Sequence[str] = ("id",)
    """The fields by which it is known in that list; none if there is only one."""
    listed_by: Mapping[str, Any] = field(default_factory=dict)
    """What that list is asked for."""
    empty_body: bool = False
    """A POST without a body."""
