"""`Bus and brains`: what waits, what is answered and by whom, and what the processes need for it. Stream lag first."""

from __future__ import annotations

from deploy.grafana.panels import Board, Panel, Query, Row, Variable
from deploy.grafana.promql import by, quantiles, rate, rates, total
from deploy.grafana.underneath import ROWS
from libs.observability import names

_BRAIN = 'group="brain",shard=~"$shard"'
_SHARD = 'shard=~"$shard"'
_PROPERTY = 'property=~"$property"'


def _now(title: str, unit: str, description: str, place: str, expr: str) -> Panel:
    return Panel(title, unit, description, f"bus#{place}", [Query(expr)], kind="stat", width=4)


_LAG = Row(
    "Stream lag",
    [
        _now(
            "Lag: conversations that wait",
            "short",
            "Entries of the turns stream that no brain has read.",
            "lag-and-waiting",
            total(names.GROUP_LAG, _BRAIN),
        ),
        _now(
            "Oldest waiting",
            "s",
            "Age of the oldest turn that no brain has read: what a guest feels. Over 3 s it pages.",
            "lag-and-waiting",
            f"max({names.GROUP_OLDEST_WAITING}{{{_BRAIN}}})",
        ),
        _now(
            "Turns waiting",
            "short",
            "Accepted and not begun, those behind the head of a mailbox included.",
            "lag-and-waiting",
            total(names.TURNS_WAITING, _SHARD),
        ),
        _now(
            "In flight",
            "short",
            "Conversations that are being answered now.",
            "lag-and-waiting",
            total(names.GROUP_PENDING, _BRAIN),
        ),
        _now("Brains alive", "short", "Workers with a live lease.", "brains-alive", total(names.WORKERS_ALIVE, _SHARD)),
        _now(
            "Dead letters kept",
            "short",
            "Turns and entries that could not be answered or read, until they are replayed or discarded.",
            "dead-letters",
            total(names.DEAD_LETTERS, _SHARD),
        ),
        Panel(
            "Lag by group",
            "short",
            "Entries that a group has not read. A lag that Redis cannot tell has no line here: see the next panel.",
            "bus#lag-and-waiting",
            [by("group", names.GROUP_LAG, _SHARD)],
        ),
        Panel(
            "Lag known",
            "bool_yes_no",
            "Whether each group's lag is known, and whether Redis could be read at all. Unknown is not zero.",
            "bus#is-it-known",
            [
                Query(f"min by (group) ({names.GROUP_LAG_KNOWN}{{{_SHARD}}})", "{{group}} known"),
                Query(f"min by (group) ({names.GROUP_PRESENT}{{{_SHARD}}})", "{{group}} is there"),
                Query(f"min({names.STREAMS_READABLE})", "streams readable"),
            ],
        ),
        Panel(
            "Oldest waiting and oldest in flight",
            "s",
            "Add brains and the first falls; a turn that is stuck raises the second.",
            "bus#lag-and-waiting",
            [
                Query(f"max by (group) ({names.GROUP_OLDEST_WAITING}{{{_SHARD}}})", "{{group}} waiting"),
                Query(f"max by (group) ({names.GROUP_OLDEST_IN_FLIGHT}{{{_SHARD}}})", "{{group}} in flight"),
            ],
        ),
        Panel(
            "Waiting, in flight, brains",
            "short",
            "make scale N=4 and watch.",
            "bus#lag-and-waiting",
            [
                Query(total(names.TURNS_WAITING, _SHARD), "turns waiting"),
                Query(total(names.TURNS_IN_FLIGHT), "turns in flight"),
                Query(total(names.WORKERS_ALIVE, _SHARD), "brains alive"),
            ],
        ),
    ],
)

_TURNS = Row(
    "Turns",
    [
        Panel(
            "Turns offered",
            "reqps",
            "By outcome: ok, or refused as busy, overloaded, large, cancelled or unknown; dup was sent again.",
            "bus#turns-offered",
            [rates("outcome", names.TURNS_ACCEPTED, _PROPERTY)],
        ),
        Panel(
            "Turns ended",
            "reqps",
            "Committed by brains, by how they ended.",
            "bus#turns-ended",
            [rates("status", names.TURNS_COMMITTED)],
        ),
        Panel(
            "Queue wait and turn time",
            "s",
            "Accepted to claimed by its first worker; claimed to committed.",
            "bus#queue-and-turn-time",
            [*quantiles(names.TURN_QUEUE, what="queue"), *quantiles(names.TURN_DURATION, what="turn")],
        ),
        Panel(
            "Verdicts of claims",
            "reqps",
            "go is answered; cancelled, expired and exhausted turns are ended without running.",
            "bus#turns-ended",
            [rates("verdict", names.TURNS_CLAIMED)],
        ),
        Panel(
            "Cancels",
            "reqps",
            "Barge-ins and withdrawn messages, by where the turn was.",
            "bus#cancels",
            [rates("outcome", names.CANCELS)],
        ),
        Panel(
            "Gaps healed",
            "reqps",
            "Holes that followers mended from log or draft. Some after a reconnect are no trouble.",
            "bus#gaps-healed",
            [rates("what", names.FOLLOWERS_HEALED)],
        ),
    ],
)

_FAILOVER = Row(
    "Failover",
    [
        Panel(
            "Attempts",
            "reqps",
            "Runs begun, by attempt. Beyond the first: a brain ended, or gave its turn back, in mid-answer.",
            "bus#takeovers-and-fences",
            [rates("attempt", names.TURN_ATTEMPTS)],
        ),
        Panel(
            "Takeovers",
            "reqps",
            "Turns taken again after a run that did not end, and conversations taken from lost workers.",
            "bus#takeovers-and-fences",
            [
                Query(rate(names.TURNS_RETRIED), "turns taken again"),
                Query(rate(names.CONVERSATIONS_REAPED, 'outcome=~"revived|unclaimed"'), "conversations handed over"),
            ],
        ),
        Panel(
            "Fenced writes",
            "reqps",
            "Refused writes of brains that had lost their turn, by step: a stalled brain woke up and did no harm.",
            "bus#takeovers-and-fences",
            [rates("step", names.WRITES_FENCED)],
        ),
        Panel(
            "Dead letters written",
            "short",
            "In the last ten minutes, by kind (as counted by whoever wrote them) and in all (as counted by Redis).",
            "bus#dead-letters",
            [
                Query(f"sum by (kind) (increase({names.DEAD_LETTERS_BY_KIND}[10m]))", "{{kind}}"),
                Query(f"sum(increase({names.DEAD_LETTERS_WRITTEN}{{{_SHARD}}}[10m]))", "all"),
            ],
        ),
    ],
)

BOARD = Board(
    uid="botel-bus",
    title="Bus and brains",
    description="What waits, what is answered and by whom, and what the processes need for it.",
    rows=[_LAG, _TURNS, _FAILOVER, *ROWS],
    variables=[
        Variable("shard", "Shard", names.WORKERS_ALIVE),
        Variable("property", "Property", names.TURNS_ACCEPTED),
    ],
)
