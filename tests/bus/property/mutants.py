"""Does the property test notice bugs? `python -m tests.bus.property.mutants [names]` seeds them one by one."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from tests.bus.property.calls import Calls, script_texts
from tests.bus.property.model import Violation
from tests.bus.property.mutations import MUTATIONS, Mutation
from tests.bus.property.trial import connect, run_trials
from tests.servers.redis import running_redis

STEPS = 300


class Verdict(NamedTuple):
    caught: bool
    trials: int
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
        except (Violation, ResponseError) as error:
            return Verdict(True, seed, str(error))
    return Verdict(False, trials, "")


def main(arguments: list[str]) -> int:
    """Exit code 1 when a bug survived that is not known to be harmless."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="mutations to run; all when none is given")
    parser.add_argument("--trials", type=int, default=60, help="trials before a mutation counts as survived")
    options = parser.parse_args(arguments)
    chosen = [one for one in MUTATIONS if not options.names or one.name in options.names]
    if not chosen:
        parser.error(f"no such mutation; there are {', '.join(one.name for one in MUTATIONS)}")
    survived = []
    with running_redis() as server, connect(server.url) as redis:
        for mutation in chosen:
            began = time.monotonic()
            verdict = judge(redis, mutation, options.trials)
            word = "caught" if verdict.caught else "equivalent" if mutation.equivalent else "SURVIVED"
            spent = time.monotonic() - began
            _say(f"{mutation.name:<36}{word:<12}{verdict.trials:>3} trials {spent:5.1f} s  {verdict.how[:90]}")
            if word == "SURVIVED":
                survived.append(mutation.name)
    caught = len(chosen) - len(survived) - sum(bool(one.equivalent) for one in chosen)
    _say(f"{len(chosen)} mutations, {caught} caught, survived: {', '.join(survived) or 'none'}")
    return 1 if survived else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
