"""Every released version of every event decodes for ever, to the same fact. A golden file is never edited."""

from __future__ import annotations

import typing
from pathlib import Path

import msgspec
import pytest

from libs.contracts.codec import decode, encode
from libs.contracts.commands import AnyCommand
from libs.contracts.events import VERSION, AnyEvent, CommandRequested
from tests.unit.contracts.samples import samples

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = sorted(GOLDEN.glob("v*/*.json"))
TYPES = {str(member.__struct_config__.tag): member for member in typing.get_args(AnyEvent)}
ADDED = {"CommandRequested": {"call_id"}, "ReplyHeard": {"filler", "fallback"}}
"""Fields that came after the first release: a golden file of their own shows them, the first ones do not change."""


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_golden_file_decodes_and_encodes_to_itself(path: Path) -> None:
    body = path.read_bytes().rstrip(b"\n")

    event = decode(body)

    assert isinstance(event, TYPES[path.stem.partition("@")[0]])
    assert encode(event) == body


def test_every_event_type_has_a_golden_file_of_this_version() -> None:
    assert {path.stem.partition("@")[0] for path in (GOLDEN / f"v{VERSION}").glob("*.json")} == set(TYPES)


@pytest.mark.parametrize("event", samples(), ids=lambda event: str(event.__struct_config__.tag))
def test_a_golden_file_means_what_it_meant_when_it_was_written(event: AnyEvent) -> None:
    tag = str(event.__struct_config__.tag)

    assert decode((GOLDEN / "v1" / f"{tag}.json").read_bytes()) == event


def test_the_samples_set_every_field() -> None:
    """So that a golden file shows the whole event. `v` and `number` are not in it: a default, and the log's."""
    for event in samples():
        unset = [
            field.name
            for field in msgspec.structs.fields(event)
            if field.name not in {"v", "number"} | ADDED.get(type(event).__name__, set())
            and field.default is not msgspec.NODEFAULT
            and getattr(event, field.name) == field.default
        ]
        assert unset == [], type(event).__name__


def test_a_field_that_was_added_is_shown_by_a_golden_file() -> None:
    decoded = [decode(path.read_bytes()) for path in FILES]
    shown = {
        (name, field)
        for name, fields in ADDED.items()
        for field in fields
        for event in decoded
        if type(event).__name__ == name and getattr(event, field)
    }

    assert shown == {(name, field) for name, fields in ADDED.items() for field in fields}


def test_every_command_has_a_golden_file() -> None:
    decoded = [decode(path.read_bytes()) for path in FILES if path.stem.startswith("command.requested")]
    have = {type(event.command) for event in decoded if isinstance(event, CommandRequested)}

    assert have == set(typing.get_args(AnyCommand))
