"""The operator's command of the store: `python -m services.context_store erase`.

Archive and Redis by the settings of the service. Exit codes: 0 all of it is gone, 1 not all of it, or refused, 2 usage.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence

from pydantic import ValidationError

from libs.bus.bus import Bus
from libs.bus.settings import BusSettings
from libs.contracts.errors import BotelError
from libs.contracts.ids import check_external_id, check_id
from libs.settings import wrong_settings
from libs.web.api_keys import ConfigurationError
from services.context_store.adapters.bus_live import BusConversations
from services.context_store.adapters.sql_archive import open_archive
from services.context_store.erasing import Eraser, Whose
from services.context_store.settings import StoreSettings

_AGAIN_S = 1.0


def main(
    arguments: Sequence[str], settings: StoreSettings | None = None, bus_settings: BusSettings | None = None
) -> int:
    """Run one command; answers the exit code."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        whose = _whose(options)
        return asyncio.run(_erase(options, whose, settings or StoreSettings(), bus_settings or BusSettings()))
    except ValidationError as error:
        print(wrong_settings(error), file=sys.stderr)
        return 1
    except (BotelError, ConfigurationError) as error:
        print(getattr(error, "detail", error), file=sys.stderr)
        return 1


async def _erase(options: argparse.Namespace, whose: Whose, settings: StoreSettings, bus_settings: BusSettings) -> int:
    archive = await open_archive(settings.database)
    try:
        async with Bus(bus_settings, name="operator") as bus:
            live = BusConversations(bus, tail_timeout_ms=settings.tail_timeout_ms)
            eraser = Eraser(archive, live, now_ms=lambda: time.time_ns() // 1_000_000)
            if not options.yes:
                found = await eraser.find(whose)
                print("\n".join([*(kept.conversation_id for kept in found), f"{len(found)} found; --yes erases them"]))
                return 0
            return await _until_gone(eraser, whose, options.wait)
    finally:
        await archive.close()


async def _until_gone(eraser: Eraser, whose: Whose, wait_s: float) -> int:
    deadline = time.monotonic() + wait_s
    while True:
        done = await eraser.erase(whose)
        for conversation_id in done.gone:
            print(f"erased: {conversation_id}")
        if not done.waiting:
            print(f"nothing is left in the archive and in Redis; {done.events} events went")
            return 0
        if time.monotonic() > deadline:
            for conversation_id, reason in done.waiting.items():
                print(f"not erased: {conversation_id}: {reason}", file=sys.stderr)
            return 1
        await asyncio.sleep(_AGAIN_S)


def _whose(options: argparse.Namespace) -> Whose:
    """`InvalidRequest` for what cannot be an id."""
    given = {"customer_id": options.customer, "reservation_id": options.reservation}
    for field, value in given.items():
        if value:
            check_external_id(value, field)
    if options.conversation:
        check_id(options.conversation, "conversation")
    property_id = check_id(options.property, "property")
    return Whose(property_id=property_id, conversation_id=options.conversation, **given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.context_store", description=__doc__)
    erase = parser.add_subparsers(dest="command", required=True).add_parser(
        "erase", help="remove what was said with a guest from the archive and from Redis"
    )
    erase.add_argument("--property", required=True)
    whose = erase.add_mutually_exclusive_group(required=True)
    whose.add_argument("--customer", default="", help="every conversation of this customer")
    whose.add_argument("--reservation", default="", help="every conversation of this reservation")
    whose.add_argument("--conversation", default="", help="this one")
    erase.add_argument("--wait", type=float, default=90.0, help="seconds for conversations to come to rest (90)")
    erase.add_argument("--yes", action="store_true", help="do it; without it, what would go is listed")
    return parser
