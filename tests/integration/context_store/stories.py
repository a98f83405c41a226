"""A conversation for API tests, and how it gets into the archive."""

from __future__ import annotations

from libs.contracts.events import AnyEvent, Channel
from services.context_store.adapters.sql_archive import SqlArchive
from services.context_store.domain.rows import Row, row_of
from tests.talk import Talk, body_of

OURS, THEIRS = {"Authorization": "Bearer ours"}, {"Authorization": "Bearer theirs"}
VOICE = Channel.VOICE


async def store(archive: SqlArchive, *events: AnyEvent) -> None:
    rows = [row_of(event.conversation_id, event.number, body_of(event)) for event in events]
    await archive.add([row for row in rows if isinstance(row, Row)], [])


def row_in(talk: Talk, number: int = 0, body: bytes = b"") -> Row:
    """The next line of a talk as the archive keeps it; under another number or with another body, if they are given."""
    event = talk.asks("Hi", "turn")
    row = row_of(talk.conversation_id, number or event.number, body or body_of(event))
    assert isinstance(row, Row)
    return row


def call_and_chat(talk: Talk) -> list[AnyEvent]:
    """A call that is interrupted, and a text in the middle of it."""
    return [
        talk.opened(reservation_id="R-1"),
        talk.asks("When is breakfast?", "1", VOICE),
        talk.says("From seven to ten, in the garden room.", "1", VOICE),
        talk.asks("Is it included?", "2"),
        talk.heard("From seven", "1", complete=False),
        talk.says("Yes, it is.", "2"),
    ]


LINES = [
    ("guest", "voice", "When is breakfast?"),
    ("concierge", "voice", "From seven"),
    ("guest", "text", "Is it included?"),
    ("concierge", "text", "Yes, it is."),
]


def lines(body: dict[str, list[dict[str, str]]]) -> list[tuple[str, str, str]]:
    return [(line["role"], line["channel"], line["text"]) for line in body["messages"]]
