"""Takes a YAML file apart; every fault names the file, the line, the field and the rule."""

import re
from collections.abc import Collection
from typing import Any

import yaml

from headrace_common.errors import HeadraceError, Reason

MAXIMUM_BYTES = 1024 * 1024
WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,14}")


class FileFaultError(HeadraceError):
    """`file:line: field: rule`."""

    def __init__(self, source: str, line: int, field: str, rule: str) -> None:
        super().__init__(Reason.INVALID_FIELD, f"{source}:{line}: {field}: {rule}")


class YamlReader:
    """Takes nodes of one file apart; every fault is told with its line."""

    def __init__(self, source: str) -> None:
        self._source = source

    def parse(self, text: bytes) -> Any:
        """The node of the whole file."""
        if len(text) > MAXIMUM_BYTES:
            raise self._fault_of_file(1, f"must not be larger than {MAXIMUM_BYTES} bytes")
        try:
            root = yaml.compose(text.decode(), Loader=yaml.SafeLoader)
        except UnicodeDecodeError as error:
            raise self._fault_of_file(1, "must be UTF-8") from error
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise self._fault_of_file(line, f"is no YAML: {error.problem}") from error
        except yaml.YAMLError as error:
            raise self._fault_of_file(1, "is no YAML") from error
        except RecursionError as error:
            raise self._fault_of_file(1, "is nested too deeply") from error
        if root is None:
            raise self._fault_of_file(1, "is empty")
        return root

    def fault(self, node: Any, name: str, rule: str) -> FileFaultError:
        return FileFaultError(self._source, node.start_mark.line + 1, name, rule)

    def mapping(self, node: Any, name: str) -> dict[str, Any]:
        """Nodes by key; a key that is there twice is a fault."""
        if not isinstance(node, yaml.MappingNode):
            raise self.fault(node, name, "must be a mapping")
        fields: dict[str, Any] = {}
        for key, value in node.value:
            told = self.text(key, name)
            if told in fields:
                raise self.fault(key, f"{name}.{told}", "is there twice")
            fields[told] = value
        return fields

    def fields(
        self, node: Any, name: str, known: Collection[str], *, required: Collection[str] = ()
    ) -> dict[str, Any]:
        """As `mapping`, with no other keys than the known ones, and with the required ones."""
        fields = self.mapping(node, name)
        for key, value in fields.items():
            if key not in known:
                wanted = ", ".join(known)
                raise self.fault(value, f"{name}.{key}", f"is unknown; known are {wanted}")
        for key in required:
            if key not in fields:
                raise self.fault(node, f"{name}.{key}", "is required")
        return fields

    def items(self, node: Any, name: str) -> list[tuple[Any, str]]:
        """The nodes of a list with their names."""
        if not isinstance(node, yaml.SequenceNode):
            raise self.fault(node, name, "must be a list")
        return [(item, f"{name}[{at}]") for at, item in enumerate(node.value)]

    def some(self, node: Any, name: str) -> list[tuple[Any, str]]:
        """As `items`, of which there must be one at least."""
        items = self.items(node, name)
        if not items:
            raise self.fault(node, name, "must not be empty")
        return items

    def text(self, node: Any, name: str) -> str:
        text = _scalar(node, "str")
        if text is None:
            raise self.fault(node, name, "must be text; write it in quotes")
        return text

    def one_of(self, node: Any, name: str, choices: Collection[str]) -> str:
        text = self.text(node, name)
        if text not in choices:
            raise self.fault(node, name, f"must be one of {', '.join(choices)}")
        return text

    def matching(self, node: Any, name: str, pattern: re.Pattern[str], rule: str) -> str:
        """Text of a form; `rule` tells people which."""
        text = self.text(node, name)
        if not pattern.fullmatch(text):
            raise self.fault(node, name, rule)
        return text

    def whole_number(self, node: Any, name: str, least: int, most: int) -> int:
        text = _scalar(node, "int") or ""
        number = int(text) if WHOLE_NUMBER.fullmatch(text) else -1
        if not least <= number <= most:
            raise self.fault(node, name, f"must be a whole number between {least} and {most}")
        return number

    def truth(self, node: Any, name: str) -> bool:
        text = _scalar(node, "bool")
        if text not in {"true", "false"}:
            raise self.fault(node, name, "must be true or false")
        return text == "true"

    def _fault_of_file(self, line: int, rule: str) -> FileFaultError:
        return FileFaultError(self._source, line, "file", rule)


def _scalar(node: Any, kind: str) -> str | None:
    """As it is written, if YAML takes it for that kind; what is in quotes is text."""
    if isinstance(node, yaml.ScalarNode) and node.tag == f"tag:yaml.org,2002:{kind}":
        return str(node.value)
    return None
