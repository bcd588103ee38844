#!/usr/bin/env bash
# Installs what tests/images builds and runs images with, unless it is there: buildah, podman, runc, debootstrap.
set -euo pipefail
tools=(buildah podman runc debootstrap)
if ! command -v "${tools[@]}" > /dev/null || [ "$(command -v "${tools[@]}" | wc -l)" -lt ${#tools[@]} ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "Install ${tools[*]}, and run this as root: debootstrap and chroot need it." >&2
    exit 1
  fi
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${tools[@]}"
fi
