#!/bin/sh
# Three hashed locks for three readers: the action, the sandbox, the tests. The later ones stay on
# the versions of the first. No index is written into them: each user's own applies.
set -eu
cd "$(dirname "$0")/.."
lock() {
    uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-emit-index-url --no-emit-find-links --no-annotate "$@"
}
lock --output-file requirements.txt
lock --group sandbox --constraints requirements.txt --output-file deploy_action/sandbox/requirements.txt
lock --group test --constraints requirements.txt --output-file tests/requirements.txt
uv pip compile tests/azure_cli/requirements.in --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-emit-index-url --no-emit-find-links --no-annotate --prerelease=allow \
    --output-file tests/azure_cli/requirements.txt
