#!/usr/bin/env bash
# Writes docs/first-run.md: the newcomer's steps from a clean clone with an empty pip cache, timed.
# Usage: scripts/record-first-run.sh [PORT]
set -euo pipefail
port=${1:-8443}
origin=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
export PIP_CACHE_DIR=$work/pip-cache XDG_CONFIG_HOME=$work/config XDG_CACHE_HOME=$work/cache
trap 'make -s -C "$work/headrace" down >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

hide() { # secrets of a stack that no longer exists are still not worth printing
  sed -E -e 's/(hr_[0-9A-Za-z]{4})[0-9A-Za-z_]+/\1.../g' -e 's/(admin@headrace.local  )[^ ]+/\1.../' \
    -e "s#$work/##g"
}
run() { # show a command, its output and how long it took
  local began=$SECONDS
  printf '\n```console\n$ %s\n' "$1" | hide
  bash -c "$1" 2>&1 | hide
  printf '```\n\nTook %d s.\n' $((SECONDS - began))
}
start() { # `make up` in the background until it is ready
  local began=$SECONDS log=$work/up.log
  make up "PORT=$port" >"$log" 2>&1 &
  until grep -q "Press Ctrl-C" "$log"; do
    kill -0 $! 2>/dev/null || { cat "$log" >&2; exit 1; }
    sleep 0.2
  done
  printf '\n```console\n$ make up PORT=%s\n' "$port"
  hide <"$log"
  printf '```\n\nReady after %d s.\n' $((SECONDS - began))
}
printed() { # a field that `make up` printed
  sed -n "s/^$1 *//p" "$work/up.log"
}

{
  printf '# A first run, recorded\n\nWritten by `scripts/record-first-run.sh` on %s at commit %s:\n' \
    "$(date -u +%Y-%m-%d)" "$(git -C "$origin" rev-parse --short HEAD)"
  printf 'a clean clone in a new directory, an empty pip cache, %s cores, %s, %s.\n' \
    "$(nproc)" "$(python3 --version)" "$(pip --version | cut -d' ' -f1-2)"
  printf 'Output goes to a file: on a terminal each part has one line, which changes. `headrace login` took the\n'
  printf 'password from `HEADRACE_PASSWORD`; without it, it asks.\n'
  git clone -q "$origin" "$work/headrace"
  cd "$work/headrace"
  printf '\n## The first start\n'
  start
  export HEADRACE_PASSWORD KEY
  HEADRACE_PASSWORD=$(printed Administrator | awk '{print $2}')
  KEY=$(printed 'API key')
  printf '\n## The printed commands, pasted\n'
  run "$(sed -n '/^curl/,/^  -d/p' "$work/up.log")"
  run "$(sed -n '/<<.PYTHON/,/^PYTHON/p' "$work/up.log")"
  printf '\n## The same question again, a wrong key, the models\n'
  ask="curl -sS -w '\\n' --cacert .headrace/tls/ca.pem https://localhost:$port"
  body='{"model": "smollm2-135m-instruct", "messages": [{"role": "user", "content": "Why is the sky blue?"}], "max_tokens": 64, "temperature": 0}'
  run "$ask/v1/chat/completions -o /dev/null -D - -H \"Authorization: Bearer \$KEY\" -d '$body' | grep x-headrace-cache"
  run "$ask/v1/models -H 'Authorization: Bearer hr_wrong'"
  run "$ask/v1/models -H \"Authorization: Bearer \$KEY\""
  printf '\n## Keys on the command line\n'
  run ".venv/bin/headrace login --url https://localhost:$port --ca-file .headrace/tls/ca.pem --email admin@headrace.local"
  run ".venv/bin/headrace keys create my-app --requests-per-minute 60"
  run ".venv/bin/headrace keys list"
  run "make status"
  printf '\n## Stop, start again, demo\n'
  run "make down"
  start
  run "make down"
  run "make demo PORT=$port"
} >"$work/first-run.md"
mv "$work/first-run.md" "$origin/docs/first-run.md"
