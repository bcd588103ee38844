"""Writes into the chart's values which images are a release's, by tag and digest.

`python3 scripts/pin_images.py REGISTRY TAG FOLDER`; FOLDER has `headrace-<service>.digest` of each.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

VALUES = Path(__file__).parents[1] / "helm/headrace/values.yaml"
PLACES = {
    **{service: ("services", service) for service in ("gateway", "auth", "cache", "audit")},
    "inference": ("inference", "defaults"),
}
"""Where a service's image stands in the values."""


def pinned(values: str, registry: str, tag: str, digests: Mapping[str, str]) -> str:
    """The same values with the release's images; everything else, comments too, stays."""
    values = _replace(values, r"(?m)^  registry: .*$", f"  registry: {registry}")
    for service, (section, key) in PLACES.items():
        digest = digests[service]
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise SystemExit(f"{service}: {digest!r} is no digest")
        line = f'    image: {{tag: "{tag}@{digest}"}}'
        values = _replace(values, rf"(?ms)^{section}:$.*?^  {key}:$", rf"\g<0>\n{line}")
    return values


def _replace(values: str, pattern: str, replacement: str) -> str:
    values, count = re.subn(pattern, replacement, values, count=1)
    if count != 1:
        raise SystemExit(f"the chart's values have nothing like {pattern}")
    return values


def main() -> None:
    """Change the file."""
    registry, tag, folder = sys.argv[1:]
    digests = {
        service: Path(folder, f"headrace-{service}.digest").read_text().strip()
        for service in PLACES
    }
    VALUES.write_text(pinned(VALUES.read_text(), registry, tag, digests))


if __name__ == "__main__":
    main()
