from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.local.address import choose_address
from deploy.local.lag import age, lag_table
from deploy.local.state import StackState
from deploy.local.tail import describe
from deploy.redis.passwords import PASSWORDS_FILE, kept_passwords
from libs.bus.reader import Entry
from libs.bus.stats import GroupStats, ShardStats
from libs.contracts.codec import encode
from libs.contracts.events import Author, Channel, MessageReceived, ReplyGenerated, ReplyStatus
from libs.contracts.keys import Keys

KEYS = Keys()


def entry(stream: str, fields: Mapping[str, str | bytes]) -> Entry:
    return Entry(stream, "1-0", {k.encode(): v if isinstance(v, bytes) else v.encode() for k, v in fields.items()})


def message(text: str) -> bytes:
    return encode(
        MessageReceived(
            id="e1",
            time_ms=1,
            property_id="harbour",
            conversation_id="conv-1",
            turn_id="turn-1",
            author=Author.GUEST,
            channel=Channel.VOICE,
            text=text,
        )
    )


REPLY = encode(
    ReplyGenerated(
        id="e2",
        time_ms=1,
        property_id="harbour",
        conversation_id="conv-1",
        turn_id="turn-1",
        author=Author.CONCIERGE,
        channel=Channel.VOICE,
        text="At seven.",
        status=ReplyStatus.FINISHED,
    )
)


@pytest.mark.parametrize(
    ("stream", "fields", "line"),
    [
        (KEYS.turns, {"c": "conv-1", "t": "turn-1", "b": b""}, "turn   conv-1       turn-1       waits for a brain"),
        (
            KEYS.events,
            {"c": "conv-1", "n": "3", "b": message("When is breakfast?")},
            'event  conv-1       turn-1       3 message.received guest/voice "When is breakfast?"',
        ),
        (
            KEYS.events,
            {"c": "conv-1", "n": "4", "b": REPLY},
            'event  conv-1       turn-1       4 reply.generated concierge/voice finished "At seven."',
        ),
        (
            KEYS.chunks("gw-1"),
            {"c": "conv-1", "t": "turn-1", "e": "7", "o": "3", "b": "seven.", "s": "finished"},
            'chunk  conv-1       turn-1       to gw-1 epoch 7 at 3 "seven." end: finished',
        ),
        (KEYS.chunks("gw-1"), {"c": "conv-1", "n": "3", "b": message("x")}, ""),
        (
            KEYS.cancels,
            {"c": "conv-1", "t": "turn-1", "w": "brain-a", "e": "7"},
            "cancel conv-1       turn-1       runs at brain-a",
        ),
        (
            KEYS.dead,
            {"c": "conv-1", "m": "turn-1 3 0 1", "e": "7", "why": "exhausted"},
            'dead   conv-1       turn-1       "exhausted"',
        ),
        (KEYS.dead, {"k": "entry", "b": "x y", "why": "no turn"}, 'dead   -            -            "no turn"'),
    ],
)
def test_an_entry_is_one_line(stream: str, fields: Mapping[str, str | bytes], line: str) -> None:
    assert describe(entry(stream, fields)) == line


def test_long_ids_are_shown_by_their_end() -> None:
    line = describe(entry(KEYS.turns, {"c": "conv-" + "0" * 20 + "abc", "t": "turn-1", "b": ""}))

    assert line.split()[1] == "000000000abc"


@pytest.mark.parametrize(
    ("stream", "fields"),
    [
        (KEYS.events, {"c": "conv-1", "n": "1", "b": b"\xff garbage"}),
        (KEYS.events, {"c": "conv-1", "n": "one", "b": REPLY}),
        (KEYS.chunks("gw"), {"c": "conv-1"}),
        (KEYS.turns, {}),
        ("botel:{0}:unheard-of", {"c": "conv-1"}),
    ],
)
def test_garbage_is_a_line_too(stream: str, fields: Mapping[str, str | bytes]) -> None:
    assert "does not decode" in describe(entry(stream, fields))


def test_what_a_guest_sends_cannot_command_the_terminal() -> None:
    line = describe(entry(KEYS.events, {"c": "conv-1", "n": "1", "b": message("\x1b[2J" + "long " * 100)}))

    assert "\x1b" not in line
    assert len(line) < 300


def group(**fields: object) -> GroupStats:
    given = {"stream": KEYS.turns, "group": "brain", "present": True, "lag": 0, **fields}
    return GroupStats(**given)  # type: ignore[arg-type]


def lines(one: GroupStats) -> list[str]:
    shard = ShardStats(shard="botel:{0}:", groups=[one], workers_alive=2, dead_letters=1, turns_waiting=7)
    return lag_table([shard])


def test_lag_in_numbers_and_ages() -> None:
    row = lines(group(lag=3, pending=2, oldest_waiting_ms=1_500, oldest_in_flight_ms=40, consumers=2))[1]

    assert row.split() == [KEYS.turns, "brain", "3", "2", "1.5", "s", "40", "ms", "2"]


def test_the_shard_is_summed_up_below() -> None:
    assert lines(group())[2] == "botel:{0}: turns waiting: 7, brains alive: 2, dead letters: 1"


def test_an_unknown_lag_is_not_zero() -> None:
    assert lines(group(lag=None))[1].split()[2] == "?"


def test_a_group_that_is_not_there_is_said() -> None:
    assert "not there" in lines(group(present=False, lag=None))[1]


@pytest.mark.parametrize(("ms", "text"), [(0, "-"), (999, "999 ms"), (1_000, "1.0 s"), (61_000, "61.0 s")])
def test_ages(ms: int, text: str) -> None:
    assert age(ms) == text


def test_the_tools_look_at_the_redis_that_runs_here_as_its_operator(tmp_path: Path) -> None:
    row = {"name": "redis", "state": "ready", "pid": 1, "port": 7001, "deaths": 0}
    told = {"redis": "", "rooms": "", "prometheus": "", "text_url": "", "error": ""}
    state: StackState = {"pid": 1, "ready": True, "rows": [row], **told}  # type: ignore[typeddict-item]

    assert choose_address({}, state, tmp_path) == "redis://127.0.0.1:7001/0"
    (password,) = kept_passwords(tmp_path / PASSWORDS_FILE)["operator"]
    assert choose_address({}, state, tmp_path) == f"redis://operator:{password}@127.0.0.1:7001/0"
    assert choose_address({"REDIS_URL": "redis://mine"}, state, tmp_path) == "redis://mine"
    assert choose_address({}, None, tmp_path) == f"redis://operator:{password}@127.0.0.1:6390/0"
    assert choose_address({"BOTEL_REDIS_PORT": "6400"}, None, tmp_path).endswith("@127.0.0.1:6400/0")
