"""Reads what services are to be told besides, from lines `HEADRACE_GATEWAY_STALL_SECONDS=30`."""

import re
from pathlib import Path

from headrace_local.components import Settings
from headrace_local.errors import LocalStackError

LINE = re.compile(r"HEADRACE_(GATEWAY|AUTH|CACHE|AUDIT|INFERENCE)_([A-Z0-9_]+)=(.*)")


def read_settings(file: Path) -> Settings:
    """The settings in `file`, by service; blank lines and those that begin with `#` say nothing.

    Raises:
        LocalStackError: it cannot be read, or a line is no setting that may be given.
    """
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LocalStackError(f"{file} cannot be read: {error}.") from error
    settings: dict[str, dict[str, str]] = {}
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        found = LINE.fullmatch(line)
        if found is None:
            raise LocalStackError(
                f"{file}:{number}: must be HEADRACE_SERVICE_SETTING=VALUE, with a service of"
                " GATEWAY, AUTH, CACHE, AUDIT, INFERENCE."
            )
        service, name, value = found.groups()
        if name.endswith("_ADDRESS"):
            raise LocalStackError(f"{file}:{number}: {name} is chosen by `make up`.")
        settings.setdefault(service.lower(), {})[name.lower()] = _unquoted(value)
    return settings


def _unquoted(value: str) -> str:
    """Without the quotes around it, so that a line may also be one of a shell."""
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value
