"""The property test is worth something: seeded bugs are noticed. All of them: `make mutants`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.bus.property.broken import BROKEN
from tests.bus.property.calls import script_texts
from tests.bus.property.invariants import INVARIANTS
from tests.bus.property.mutants import judge, mutated
from tests.bus.property.mutations import MUTATIONS, Mutation
from tests.bus.property.trial import connect

REPRESENTATIVE = (
    "accept_nowake",
    "claim_no_token",
    "emit_any_epoch",
    "commit_any_epoch",
    "commit_deletes",
    "journal_any_epoch",
    "reap_acks_others",
    "follow_again_unnoticed",
    "retire_forgets",
    "replay_keeps_letter",
    "commit_any_worker",
    "claim_epoch_is_the_clock",
    "renew_call_any_epoch",
    "reserve_call_twice",
    "spend_clock_steps_back",
)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[one.name for one in MUTATIONS])
def test_mutation_still_applies(mutation: Mutation) -> None:
    assert mutated(mutation) != script_texts()


def test_every_script_has_a_mutation() -> None:
    assert {one.script for one in MUTATIONS} == set(script_texts())


def test_every_mutation_breaks_an_invariant_and_every_invariant_is_broken() -> None:
    assert set(BROKEN) == set(INVARIANTS)
    assert {name for names in BROKEN.values() for name in names} == {one.name for one in MUTATIONS}
    assert all(BROKEN.values())


def test_every_violation_names_an_invariant_that_is_told() -> None:
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    assert set(re.findall(r"need\(\s*\"([a-z-]+)\"", sources)) == set(INVARIANTS)


@pytest.mark.parametrize("name", REPRESENTATIVE)
def test_seeded_bug_is_caught(redis_url: str, name: str) -> None:
    (mutation,) = (one for one in MUTATIONS if one.name == name)
    with connect(redis_url) as redis:
        assert judge(redis, mutation, trials=20).caught
