"""What a run came to: the auditor's verdict, what was done, and how long guests waited."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.machine import describe
from tests.chaos.aim import Place
from tests.chaos.ledger import recoveries, silences
from tests.chaos.plan import Plan
from tests.chaos.run import Outcome

P50_S, P95_S = 1.0, 1.5
_MOST = 10


def figures(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    """Everything that is told, as data."""
    ledger, transcript = outcome.ledger, outcome.transcript
    before = [kill for kill in ledger.kills if kill.at < outcome.redis_from and kill.others >= 2]
    late = [fault for fault in ledger.faults if fault.at >= outcome.redis_from]
    return {
        "machine": describe(),
        "plan": {name: getattr(plan, name) for name in plan.__struct_fields__},
        "seconds": round(outcome.seconds, 1),
        "turns": len({record["turn"] for record in transcript.of("turn", "spoken")}),
        "spoken": len({record["turn"] for record in transcript.of("spoken")}),
        "bookings": len(outcome.evidence.bookings),
        "kills": len(ledger.kills),
        "mid_stream": ledger.mid_stream(),
        "in_effect": ledger.in_effect(),
        "before": ledger.killed_at(Place.BEFORE),
        "after": ledger.killed_at(Place.AFTER),
        "zombies": ledger.zombies,
        "places": {place.value: ledger.by_place()[place] for place in Place},
        "faults": dict(sorted(ledger.by_fault().items())),
        "recovery_s": spread([seconds - plan.token_s for seconds in recoveries(before, transcript)]),
        "redis_s": {name: spread(waits) for name, waits in sorted(silences(late, transcript).items())},
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99, the largest, and how many."""
    if not values:
        return {"n": 0}
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

    return {"n": len(ordered), "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": round(ordered[-1], 3)}


def missed(plan: Plan, told: Mapping[str, Any]) -> list[str]:
    """Figures that are not what they should be; correctness is the auditor's."""
    wanted = {"turns": plan.turns, "kills": plan.kills, "mid_stream": plan.mid_stream, "in_effect": plan.in_effect}
    wanted["zombies"] = plan.zombies
    found = [f"{name}: {told[name]} of {count}" for name, count in wanted.items() if told[name] < count]
    recovery = told["recovery_s"]
    for name, limit in (("p50", P50_S), ("p95", P95_S)):
        if recovery["n"] and recovery[name] > limit:
            found.append(f"recovery {name}: {recovery[name]} s, at most {limit} s")
    return found


def lines(told: Mapping[str, Any], verdict: Mapping[str, Sequence[str]]) -> list[str]:
    """The report as it is printed."""
    recovery = told["recovery_s"]
    shown = [
        f"{told['turns']} turns ({told['spoken']} spoken), {told['bookings']} bookings, in {told['seconds']:.0f} s",
        f"{told['kills']} brains killed: {told['mid_stream']} with a reply mid-stream, "
        f"{told['in_effect']} inside a side effect",
        *(f"  {count:>5}  {place}" for place, count in told["places"].items()),
        "faults done:",
        *(f"  {count:>5}  {fault}" for fault, count in told["faults"].items()),
    ]
    if recovery["n"]:
        shown.append(
            f"kill -9 to the next words ({recovery['n']} replies): p50 {recovery['p50']} s, p95 {recovery['p95']} s, "
            f"p99 {recovery['p99']} s, max {recovery['max']} s"
        )
    for fault, waits in told["redis_s"].items():
        shown.append(
            f"longest wait for words at {fault} ({waits['n']} replies): p50 {waits['p50']} s, max {waits['max']} s"
        )
    for name, faults in verdict.items():
        shown.append(f"  {'ok  ' if not faults else 'FAIL'} {name}")
        shown.extend(f"         {fault}" for fault in faults[:_MOST])
        if len(faults) > _MOST:
            shown.append(f"         and {len(faults) - _MOST} more")
    return shown


def table(told: Mapping[str, Any], verdict: Mapping[str, Sequence[str]]) -> str:
    """The figures as docs/reliability.md has them."""
    where, recovery = told["machine"], told["recovery_s"]
    rows = [
        ("turns answered, of which spoken", f"{told['turns']}, {told['spoken']}"),
        ("two-step bookings", f"{told['bookings']}"),
        ("brains killed (`kill -9`); one may be in several of these places", f"{told['kills']}"),
        ("... with a reply mid-stream", f"{told['mid_stream']}"),
        ("... inside a side effect", f"{told['in_effect']}"),
        ("... in it before the hotel took it, and after", f"{told['before']}, {told['after']}"),
        ("... with nothing but turns that had no word out yet", f"{told['places'][Place.SILENT.value]}"),
        ("... with no turn", f"{told['places'][Place.IDLE.value]}"),
        *((f"fault: {fault}", f"{count}") for fault, count in told["faults"].items()),
        (
            f"`kill -9` to the next words, {recovery['n']} replies",
            f"p50 {recovery['p50']} s, p95 {recovery['p95']} s, p99 {recovery['p99']} s, max {recovery['max']} s",
        ),
        *(
            (
                f"Redis: {name}; longest wait for words, {waits['n']} replies",
                f"p50 {waits['p50']} s, max {waits['max']} s",
            )
            for name, waits in told["redis_s"].items()
        ),
        *((f"broken: {promise}", f"{len(faults)}") for promise, faults in verdict.items()),
    ]
    server = where["redis"].partition(",")[0]
    parts = (f"{where['cores']} cores", where["processor"], where["system"], where["python"], server)
    machine = f"{', '.join(parts)} with its append-only file"
    lines = [f"`make chaos`, seed {told['plan']['seed']}, {told['seconds']:.0f} s. {machine}.", "", "| what | figure |"]
    return "\n".join([*lines, "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)]) + "\n"


def as_json(told: Mapping[str, Any], verdict: Mapping[str, Sequence[str]]) -> str:
    return json.dumps({**told, "audit": verdict}, indent=2, ensure_ascii=False) + "\n"
