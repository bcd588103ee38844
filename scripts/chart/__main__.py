"""Writes values.schema.json and README.md of the chart; with --check, only compares."""

import argparse
import json
import sys
from pathlib import Path

from scripts.chart.readme import readme_of
from scripts.chart.schema import schema_of
from scripts.chart.values import ValuesError, read_values

CHART = Path(__file__).parents[2] / "helm/headrace"


def main() -> None:
    """Exit code 1 and a sentence if a file is out of date, or a comment is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    check = parser.parse_args().check
    try:
        root = read_values(CHART / "values.yaml")
    except ValuesError as error:
        sys.exit(str(error))
    schema = json.dumps(schema_of(root), indent=2, ensure_ascii=False) + "\n"
    for name, text in {"values.schema.json": schema, "README.md": readme_of(root)}.items():
        file = CHART / name
        if not check:
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            sys.exit(f"{file.relative_to(CHART.parents[1])} is out of date: run `make chart`.")


if __name__ == "__main__":
    main()
