#!/usr/bin/env bash
# Pins what is installed in .venv, our own packages aside, so that every install gets the same.
set -euo pipefail
cd "$(dirname "$0")/.."
{
  echo "# Exact versions of everything that is installed; written by \`make lock\`."
  .venv/bin/python -m pip --disable-pip-version-check freeze --exclude-editable |
    sed 's/+cpu$//' # the build of torch is whatever the index in use has
} > constraints.txt
