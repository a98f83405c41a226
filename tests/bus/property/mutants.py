"""Does the property test notice bugs? `python -m tests.bus.property.mutants [names]` seeds them one by one."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from tests.bus.property.broken import BROKEN
from tests.bus.property.calls import Calls, script_texts
from tests.bus.property.invariants import INVARIANTS
from tests.bus.property.model import Violation
from tests.bus.property.mutations import MUTATIONS, Mutation
from tests.bus.property.trial import connect, run_trials
from tests.servers.redis import running_redis

STEPS = 300
BREAKS = "script"
"""Instead of an invariant's name: a script breaks on what the bug left behind."""


class Verdict(NamedTuple):
    caught: bool
    trials: int
    by: str
    """The invariant that noticed."""
    how: str


def mutated(mutation: Mutation) -> dict[str, str]:
    """Every script's text with the bug in one. `ValueError` when the script has no such text any more."""
    texts = script_texts()
    if mutation.old not in texts[mutation.script]:
        raise ValueError(f"{mutation.name} does not apply to {mutation.script}.lua any more")
    texts[mutation.script] = texts[mutation.script].replace(mutation.old, mutation.new)
    return texts


def judge(redis: Any, mutation: Mutation, trials: int) -> Verdict:
    """Run trials until the bug is noticed: by the model, or by a script that breaks on what it left behind."""
    calls = Calls(redis, mutated(mutation))
    for seed in range(1, trials + 1):
        try:
            run_trials(calls, range(seed, seed + 1), STEPS)
        except Violation as error:
            return Verdict(True, seed, error.invariant, str(error))
        except ResponseError as error:
            return Verdict(True, seed, BREAKS, str(error))
    return Verdict(False, trials, "", "")


def main(arguments: list[str]) -> int:
    """Exit code 1 when a bug survived; or, after a whole run, when a script or an invariant caught none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="mutations to run; all when none is given")
    parser.add_argument("--trials", type=int, default=60, help="trials before a mutation counts as survived")
    options = parser.parse_args(arguments)
    chosen = [one for one in MUTATIONS if not options.names or one.name in options.names]
    if not chosen:
        parser.error(f"no such mutation; there are {', '.join(one.name for one in MUTATIONS)}")
    verdicts: list[tuple[Mutation, Verdict]] = []
    with running_redis() as server, connect(server.url) as redis:
        for mutation in chosen:
            began = time.monotonic()
            verdict = judge(redis, mutation, options.trials)
            verdicts.append((mutation, verdict))
            word, spent = verdict.by if verdict.caught else "SURVIVED", time.monotonic() - began
            _say(f"{mutation.name:<34}{word:<13}{verdict.trials:>3} trials {spent:5.1f} s  {verdict.how[:90]}")
    survived = [mutation.name for mutation, verdict in verdicts if not verdict.caught]
    missing = [] if options.names else _say_coverage(verdicts)
    _say(f"{len(chosen)} bugs seeded, {len(chosen) - len(survived)} caught, survived: {', '.join(survived) or 'none'}")
    if missing:
        _say(f"no bug was caught in or by: {', '.join(missing)}")
    return 1 if survived or missing else 0


def _say_coverage(verdicts: list[tuple[Mutation, Verdict]]) -> list[str]:
    """The closing tables; answers scripts and invariants that have nothing to show."""
    scripts = Counter(dict.fromkeys(sorted(script_texts()), 0))
    scripts.update(mutation.script for mutation, verdict in verdicts if verdict.caught)
    _say("\nbugs caught by script: " + ", ".join(f"{name} {count}" for name, count in scripts.items()) + "\n")
    noticed = Counter(verdict.by for _, verdict in verdicts)
    seeded = {name: len(mutations) for name, mutations in BROKEN.items()}
    _say(f"{'invariant':<13}{'seeded':>7}{'noticed':>8}  what it says")
    for name, statement in INVARIANTS.items():
        _say(f"{name:<13}{seeded[name]:>7}{noticed[name]:>8}  {statement}")
    return [name for name in scripts if not scripts[name]] + [name for name in INVARIANTS if not noticed[name]]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
