#!/bin/sh
# Makes /opt/headrace/models with built-in models, ready to serve: their names are the arguments.
# Runs in the build stage of inference's Dockerfile, after application.sh.
set -eu
models=/opt/headrace/models
mkdir -p "$models"
# This Python, and not the one in the virtual environment, has pip, which brings the wheels.
PYTHONPATH=$(echo /opt/headrace/venv/lib/python3.*/site-packages):/opt/headrace/app
export PYTHONPATH
prepare() {
  for model in "$@"; do
    python -m headrace_inference.prepare --directory "$models" --model "$model"
  done
}
prepare "$@"
# Layers keep whole seconds, and what is noted beside a model holds for a file of one time only. The same time
# in every build makes the same layer.
find "$models" -type f ! -name '*.gguf' -delete
find "$models" -exec touch -d @0 {} +
prepare "$@"
rm -f "$models/.prepare.lock"
find "$models" -exec touch -d @0 {} +
