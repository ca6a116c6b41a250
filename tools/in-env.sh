#!/bin/sh
# Run a program of the test environment, which `make setup` creates: tools/in-env.sh PROGRAM ARGUMENTS...
set -eu
cd "$(dirname "$0")/.."
[ -f .build/test-python ] || { echo "run 'make setup' first" >&2; exit 1; }
PATH="$(dirname "$(cat .build/test-python)"):$PATH" exec "$@"
