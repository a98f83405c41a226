"""A guest asks to be forgotten: what was said leaves archive and Redis, and nothing brings it back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from libs.bus.bus import Bus, new_id
from libs.bus.conversations import Conversations
from libs.contracts.events import Author, Channel, ConversationOpened, MessageReceived
from services.context_store.adapters.sql_archive import SqlArchive, open_archive
from services.context_store.adapters.sql_engine import SQLITE, Database
from services.context_store.cli import main
from services.context_store.domain.rows import Row, row_of, stray
from services.context_store.settings import StoreSettings
from tests.eventually import eventually
from tests.integration.context_store.asked import ask
from tests.integration.context_store.stories import call_and_chat, store
from tests.integration.context_store.test_live import Guest, bus_settings, numbers, running_store
from tests.integration.context_store.test_store_faults import unkept
from tests.talk import Talk, body_of

TABLES = ("conversations", "events", "retirements", "strays")


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[Bus]:
    async with Bus(bus_settings(redis_url)) as made:
        yield made


async def erase(database: Database, redis_url: str, *arguments: str) -> int:
    settings = StoreSettings(database_url=SecretStr(database.url))
    return await asyncio.to_thread(main, ["erase", *arguments], settings, bus_settings(redis_url))


async def message(bus: Bus, conversation_id: str) -> None:
    await Conversations(bus).accept(
        MessageReceived(
            id=new_id("evt"),
            time_ms=3,
            property_id="harbour",
            conversation_id=conversation_id,
            author=Author.GUEST,
            channel=Channel.TEXT,
            turn_id=new_id("turn"),
            text="Are you there?",
        )
    )


async def held(bus: Bus, conversation_id: str) -> list[str]:
    """Keys of Redis that name the conversation; what remembers ids for repetitions expires by itself."""
    keys = [key.decode() for key in await bus.commands.send("KEYS", f"*{conversation_id}*")]
    if await bus.commands.send("HEXISTS", bus.shards[0].heads, conversation_id):
        keys.append("heads")
    return [key for key in keys if ":seen:" not in key]


async def test_a_guest_is_erased_and_the_other_guests_are_not(
    redis_url: str, bus: Bus, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = Guest(bus), Guest(bus)
    async with running_store(redis_url, Path("never"), None, database_url=SecretStr(database.url)) as client:
        for guest, customer in ((ours, "C-1"), (theirs, "C-2")):
            await guest.open(customer)
            await guest.note(3)
        await eventually(lambda: unkept(bus), lambda count: count == 0)
        events = await bus.commands.send("XRANGE", bus.shards[0].events, "-", "+")
        args = ("--property", "harbour", "--customer", "C-1")

        assert await erase(database, redis_url, *args) == 0
        assert f"{ours.conversation_id}\n1 found; --yes erases them" in capsys.readouterr().out
        assert await numbers(client, ours.conversation_id) == [1, 2, 3, 4], "only told"
        assert await erase(database, redis_url, *args, "--yes") == 0

        assert "4 events went" in capsys.readouterr().out
        assert await held(bus, ours.conversation_id) == []
        assert await bus.commands.send("KEYS", "*C-1*") == []
        url = f"/conversations/{ours.conversation_id}/messages"
        assert (await client.get(url)).status_code == 404
        assert await numbers(client, theirs.conversation_id) == [1, 2, 3, 4]
        # A store that had not acked them gets them again, as does one whose Redis was restored.
        for _, (_, conversation, _, number, _, body) in events:
            place = ("c", conversation, "n", number, "b", body)
            await bus.commands.send("XADD", bus.shards[0].events, "*", *place)
        await eventually(lambda: unkept(bus), lambda count: count == 0)
        assert (await client.get(url)).status_code == 404
        assert await erase(database, redis_url, *args, "--yes") == 0
        was = ours.conversation_id
        await ours.open("C-1")
        assert ours.conversation_id != was, "a guest who comes back begins anew"
        await ours.note(1)
        await eventually(lambda: numbers(client, ours.conversation_id), lambda found: found == [1, 2])

    for table in TABLES[:3]:
        found = await ask(database, f"SELECT DISTINCT conversation_id FROM {table}")
        assert sorted(one for (one,) in found) == sorted([ours.conversation_id, theirs.conversation_id])


async def test_one_whose_turn_waits_is_left_until_it_rests(
    redis_url: str, bus: Bus, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    guest = Guest(bus)
    async with running_store(redis_url, Path("never"), None, database_url=SecretStr(database.url)) as client:
        await guest.open("C-1")
        await message(bus, guest.conversation_id)
        await eventually(lambda: unkept(bus), lambda count: count == 0)
        args = ("--property", "harbour", "--conversation", guest.conversation_id, "--yes", "--wait", "0")

        assert await erase(database, redis_url, *args) == 1

        assert f"not erased: {guest.conversation_id}: busy" in capsys.readouterr().err
        assert await numbers(client, guest.conversation_id) == [1, 2]


@pytest.mark.parametrize("whose", ["--customer", "--conversation"])
async def test_one_that_is_not_archived_yet_is_waited_for(
    redis_url: str, bus: Bus, database: Database, whose: str
) -> None:
    guest = Guest(bus)
    await guest.open("C-1")
    args = (
        "--property",
        "harbour",
        whose,
        "C-1" if whose == "--customer" else guest.conversation_id,
        "--yes",
        "--wait",
    )
    assert await erase(database, redis_url, *args, "0") == 1, "the store is down: what it would keep is still to come"

    async with running_store(redis_url, Path("never"), None, database_url=SecretStr(database.url)):
        assert await erase(database, redis_url, *args, "30") == 0

    assert await held(bus, guest.conversation_id) == []
    assert await ask(database, "SELECT count(*) FROM events") == [(0,)]


async def test_a_reservations_conversation_and_a_wrong_property(
    redis_url: str, bus: Bus, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = ConversationOpened(
        id=new_id("evt"),
        time_ms=1,
        property_id="harbour",
        conversation_id=new_id("conv"),
        author=Author.SYSTEM,
        channel=Channel.TEXT,
        customer_id="C-1",
        reservation_id="R-1",
    )
    async with running_store(redis_url, Path("never"), None, database_url=SecretStr(database.url)):
        await Conversations(bus).open(opened, {})
        await eventually(lambda: unkept(bus), lambda count: count == 0)

        assert await erase(database, redis_url, "--property", "hill", "--reservation", "R-1", "--yes") == 0
        assert "0 events went" in capsys.readouterr().out
        assert await erase(database, redis_url, "--property", "harbour", "--reservation", "R-1", "--yes") == 0

    assert await bus.commands.send("KEYS", "*:open:*") == []
    assert await held(bus, opened.conversation_id) == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["erase"], 2),
        (["erase", "--property", "harbour"], 2),
        (["erase", "--property", "harbour", "--customer", "a", "--reservation", "b"], 2),
        (["erase", "--property", "har bour", "--customer", "a"], 1),
        (["erase", "--property", "harbour", "--customer", "a\x00"], 1),
        (["forget"], 2),
    ],
    ids=lambda value: "-".join(value).replace("\x00", "NUL") if isinstance(value, list) else str(value),
)
def test_a_command_that_cannot_be_meant_so_does_nothing(arguments: list[str], code: int) -> None:
    settings = StoreSettings(database_url=SecretStr("sqlite+aiosqlite:////nowhere/at/all"))
    assert main(arguments, settings) == code


async def test_what_was_erased_stays_away_whoever_writes_it_meanwhile(archive: SqlArchive, database: Database) -> None:
    other = await open_archive(database)
    for number in range(15):
        talk = Talk(f"conv-{number}")
        rows = [row_of(talk.conversation_id, event.number, body_of(event)) for event in call_and_chat(talk)]
        kept = [row for row in rows if isinstance(row, Row)]
        odd = [stray(talk.conversation_id, 0, b"x", "odd"), stray(talk.conversation_id + "x", 0, b"x", "odd")]
        if number % 2:
            await archive.add(kept[:2], odd)

        await asyncio.gather(archive.erase([talk.conversation_id], 5), other.add(kept, []), other.add(kept, []))
        assert (await archive.add(kept, [])).new == []
        assert await archive.erase([talk.conversation_id], 6) == 0

    for table in TABLES[:3]:
        assert await ask(database, f"SELECT count(*) FROM {table}") == [(0,)], table
    labels = {label for (label,) in await ask(database, "SELECT label FROM strays")}
    assert labels == {f"'conv-{number}x' 0" for number in range(1, 15, 2)}, "another's, of which the name is a part"
    await other.close()


async def test_nothing_of_it_stays_in_the_embedded_file(tmp_path: Path) -> None:
    database = Database(url=f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite3'}")
    assert database.kind == SQLITE
    archive = await open_archive(database)
    await store(archive, *(Talk(f"conv-{number}").asks("my secret wish " * 50, "t") for number in range(50)))
    assert await archive.erase([f"conv-{number}" for number in range(50)], 1) == 50
    await archive.close()

    assert b"secret wish" not in (tmp_path / "store.sqlite3").read_bytes()
