"""Operators' commands on the bus: `python -m libs.bus dead list|show|replay|discard` and `groups list|drop`.

Redis by REDIS_URL, everything else by BOTEL_BUS_*. Exit codes: 0 done, 1 refused or Redis does not answer, 2 usage.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from libs.bus import telling
from libs.bus.bus import Bus
from libs.bus.dead import DeadLetters, redis_ms
from libs.bus.groups import EventGroups
from libs.bus.settings import BusSettings
from libs.bus.worker import wall_clock_ms
from libs.contracts.errors import BotelError
from libs.settings import wrong_settings

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MAX_LISTED = 10_000


def main(arguments: Sequence[str], settings: BusSettings | None = None) -> int:
    """Run one command; answers the exit code."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    if options.command == "discard" and not _one_or_all(options):
        print("discard takes the ID of one letter, or --all with --older-than", file=sys.stderr)
        return 2
    try:
        return asyncio.run(_run(options, settings or BusSettings()))
    except BotelError as error:
        print(f"{error.code}: {error.detail}", file=sys.stderr)
        return 1
    except ValidationError as error:
        print(wrong_settings(error), file=sys.stderr)
        return 1


async def _run(options: argparse.Namespace, settings: BusSettings) -> int:
    async with Bus(settings, name="operator") as bus:
        if options.subject == "groups":
            return await _groups(options, EventGroups(bus))
        letters, now_ms = DeadLetters(bus), await redis_ms(bus, bus.shards[0])
        match options.command:
            case "list":
                await _list(options, letters, now_ms)
            case "show":
                await _show(options, letters, now_ms)
            case "replay":
                done = await letters.replay(options.id, wall_clock_ms(), anyway=options.anyway)
                word = "was replayed before" if done.duplicate else "is replayed"
                print(f"{options.id} {word}: turn {done.turn_id} of {done.conversation_id}, event {done.number}")
            case _:
                await _discard(options, letters, now_ms)
    return 0


async def _list(options: argparse.Namespace, letters: DeadLetters, now_ms: int) -> None:
    found = await letters.newest(options.limit)
    if options.json:
        print(telling.as_json([telling.mapping(one, now_ms) for one in found]))
    elif found:
        print("\n".join([telling.HEAD, *(telling.row(one, now_ms) for one in found)]))
    else:
        print("no dead letters")


async def _show(options: argparse.Namespace, letters: DeadLetters, now_ms: int) -> None:
    letter = await letters.find(options.id)
    told = telling.whole(letter, await letters.story(letter), now_ms, words=options.words)
    print(telling.as_json(told) if options.json else "\n".join(telling.lines(told)))


async def _discard(options: argparse.Namespace, letters: DeadLetters, now_ms: int) -> None:
    if options.all:
        print(f"{await letters.discard_older(options.older_than)} dead letters discarded")
    else:
        gone = await letters.discard(options.id)
        print("discarded:\n" + telling.row(gone, now_ms))


async def _groups(options: argparse.Namespace, groups: EventGroups) -> int:
    if options.command == "list":
        print("\n".join(telling.group_row(one) for one in await groups.all()))
        return 0
    if not options.yes:
        print("what the group has not read may be trimmed: say --yes", file=sys.stderr)
        return 2
    for one in await groups.drop(options.group):
        print(f"dropped: {telling.group_row(one)}")
    return 0


def _one_or_all(options: argparse.Namespace) -> bool:
    return bool(bool(options.id) != options.all == (options.older_than is not None))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m libs.bus", description=__doc__)
    subjects = parser.add_subparsers(dest="subject", required=True)
    dead = subjects.add_parser("dead", help="turns and entries that nobody could answer or read")
    commands = dead.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="the newest letters, without the guest's words")
    listing.add_argument("--limit", type=_count, default=50, help="at most so many (50)")
    listing.add_argument("--json", action="store_true")
    show = commands.add_parser("show", help="everything known of one letter")
    show.add_argument("id")
    show.add_argument("--words", action="store_true", help="with what guest and concierge said")
    show.add_argument("--json", action="store_true")
    replay = commands.add_parser("replay", help="have the guest's message answered, as a new turn")
    replay.add_argument("id")
    replay.add_argument("--anyway", action="store_true", help="even if it is not known what the dead turn did")
    discard = commands.add_parser("discard", help="drop one letter, or all old ones")
    discard.add_argument("id", nargs="?")
    discard.add_argument("--all", action="store_true")
    discard.add_argument("--older-than", type=_duration, help="such as 90s, 30m, 12h or 7d", metavar="AGE")
    groups = subjects.add_parser("groups", help="who must have read an event before it is trimmed")
    commands = groups.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="declared groups, and those that are there")
    drop = commands.add_parser("drop", help="wait for this group no longer")
    drop.add_argument("group")
    drop.add_argument("--yes", action="store_true")
    return parser


def _count(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= _MAX_LISTED):
        raise argparse.ArgumentTypeError(f"1 to {_MAX_LISTED}")
    return int(text)


def _duration(text: str) -> int:
    """Milliseconds of such as `7d`."""
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if not match:
        raise argparse.ArgumentTypeError("a number and s, m, h or d, such as 7d")
    return int(match[1]) * _UNITS_MS[match[2]]
