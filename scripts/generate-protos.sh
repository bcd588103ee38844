#!/usr/bin/env bash
# Generates the Python code of protos/ into services/common/src/headrace; with --check, only compares.
set -euo pipefail
cd "$(dirname "$0")/.."
target=services/common/src/headrace
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
.venv/bin/python -m grpc_tools.protoc -I protos --python_out="$fresh" --pyi_out="$fresh" \
  --grpc_python_out="$fresh" $(find protos -name '*.proto' | sort)
if [ "${1:-}" = --check ]; then
  if ! diff -rq -x __pycache__ "$fresh/headrace" "$target"; then
    echo "The generated code is out of date: run \`make proto\` and commit the result." >&2
    exit 1
  fi
else
  rm -rf "$target"
  cp -r "$fresh/headrace" "$target"
fi
