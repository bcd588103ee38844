#!/bin/sh
# Makes /opt/headrace/venv with the packages of others that a service needs: SERVICE or SERVICE[EXTRA,...].
# Runs in the build stage of that service's Dockerfile.
set -eu
venv=/opt/headrace/venv
python -m venv --without-pip "$venv"
python scripts/images/requirements.py "$1" > /tmp/requirements.txt
python -m pip --python "$venv/bin/python" install --quiet --no-cache-dir --no-compile \
  --disable-pip-version-check --only-binary :all: -c constraints.txt -r /tmp/requirements.txt
# What packages bring for their own tests, and what only an interactive shell uses.
find "$venv/lib" -type d -name tests -prune -exec rm -r {} +
rm "$venv"/bin/[Aa]ctivate*
# Debugging symbols, a quarter of all. Libraries that wheels bring along, and all of torch's, were rewritten when
# these were made, and cannot be rewritten again.
find "$venv/lib" -type d \( -name '*.libs' -o -name torch \) -prune -o \
  -name '*.so' -type f -exec strip --strip-unneeded {} +
client=$(echo "$venv"/lib/python3.*/site-packages)/kubernetes
if [ -d "$client" ]; then python scripts/images/shrink_kubernetes.py "$client"; fi
python scripts/images/compile.py "$venv/lib"
