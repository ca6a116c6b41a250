"""The mutations of tests/mutations fit the code and name tests that exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutations.catalogue import ROOT, Mutation, catalogue

MUTATIONS = catalogue()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_fits_the_code_and_names_existing_tests(mutation: Mutation) -> None:
    file = ROOT / mutation.file
    changed = mutation.applied(file.read_text("utf-8"))
    assert mutation.file.startswith("deploy_action/")
    ast.parse(changed)
    for test in mutation.tests:
        path, _, name = test.partition("::")
        assert (ROOT / path).exists(), test
        assert not name or f"def {name.partition('[')[0]}(" in (ROOT / path).read_text("utf-8")


def test_every_mutation_has_a_name_of_its_own() -> None:
    names = [mutation.name for mutation in MUTATIONS]
    assert len(names) == len(set(names)) >= 60


def test_every_area_has_mutations() -> None:
    covered = {Path(mutation.file).parts[1] for mutation in MUTATIONS}
    assert covered >= {"adapters", "commands", "core", "rollout", "runtime"}
