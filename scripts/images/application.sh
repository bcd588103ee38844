#!/bin/sh
# Makes /opt/headrace/app with the service's own code, and lets /opt/headrace/venv import it.
# Runs in the build stage of that service's Dockerfile, after packages.sh.
set -eu
app=/opt/headrace/app
python -m venv /tmp/hatch
/tmp/hatch/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check \
  -c constraints.txt hatchling
/tmp/hatch/bin/python -m pip install --quiet --no-cache-dir --no-compile --no-deps --no-index \
  --no-build-isolation --disable-pip-version-check --target "$app" services/common "services/$1"
echo "$app" > "$(echo /opt/headrace/venv/lib/python3.*/site-packages)/headrace.pth"
python scripts/images/compile.py "$app"
