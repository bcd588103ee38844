#!/usr/bin/env bash
# Writes the secrets of docker-compose.yml into .env, for its owner's eyes only; keeps one that is there.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -e .env ]; then
  echo ".env is there already. Its key encrypts what is in the database: keep it, or delete both." >&2
  exit 1
fi
random() { head -c "$1" /dev/urandom | base64 | tr -d '\n'; }
umask 077
cat > .env <<END
HEADRACE_POSTGRES_PASSWORD=$(random 24 | tr '+/' '-_')
HEADRACE_KEY_ENCRYPTION_KEY=$(random 32)
HEADRACE_ANSWER_SIGNING_KEY=$(random 32)
HEADRACE_OWNER_EMAIL=${OWNER_EMAIL:-admin@headrace.local}
HEADRACE_OWNER_PASSWORD=$(random 18 | tr '+/' '-_')
END
echo "Wrote .env; the owner's e-mail and password are in it."
