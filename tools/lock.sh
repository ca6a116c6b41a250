#!/bin/sh
# Hashed locks for the action, the sandbox and the tests, which stay on the versions of the first,
# and for two tools with an environment of their own. They name no index: each user's own applies.
set -eu
cd "$(dirname "$0")/.."
lock() {
    uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-emit-index-url --no-emit-find-links --no-annotate "$@"
}
lock --output-file requirements.txt
lock --group sandbox --constraints requirements.txt --output-file deploy_action/sandbox/requirements.txt
lock --group test --constraints requirements.txt --output-file tests/requirements.txt
separate() {
    folder=$1
    shift
    uv pip compile "$folder/requirements.in" --quiet --universal --python-version 3.11 \
        --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate \
        --output-file "$folder/requirements.txt" "$@"
}
separate tests/azure_cli --prerelease=allow
separate tools/audit
