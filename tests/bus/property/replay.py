"""Replay of the streams that leave the protocol: what gateways and the store would have seen, entry by entry."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.bus.property.model import GATEWAYS, ConversationModel, TurnModel, need
from tests.bus.property.snapshot import entry_key
from tests.bus.property.world import World

Entry = tuple[str, dict[str, str]]


class Replay:
    """Reads what is new after every step. `g1` follows everything from the start, `g2` only now and then."""

    def __init__(self, world: World) -> None:
        self._world = world
        keys = world.calls.keys
        self._streams = {**{keys.chunks(gateway): gateway for gateway in GATEWAYS}, keys.events: ""}
        self._after = dict.fromkeys(self._streams, "0-0")
        self._epochs: dict[tuple[str, str], int] = defaultdict(int)
        self._ended: set[tuple[str, str]] = set()
        self._text: dict[str, str] = defaultdict(str)
        self._events: dict[str, list[str]] = defaultdict(list)

    def check(self) -> None:
        """Everything that came since the last time, and what it adds up to."""
        reply: Any = self._world.calls.redis.xread(self._after) or []
        for stream, entries in reply:
            for entry in entries:
                self._after[stream] = entry[0]
                self._take(self._streams[stream], entry)
        for conversation in self._world.model.conversations:
            need(
                "log",
                self._events[conversation.id] == conversation.log,
                "the events stream is not the log",
                conversation.id,
            )
            self._commits(conversation)
            for turn in conversation.turns:
                text, expected = self._text[turn.id], turn.draft + turn.last_words
                need("draft", text == expected, "chunks are not the draft", turn.id, text, expected)
                need("commits", not turn.status or ("g1", turn.id) in self._ended, "no end chunk", turn.id)

    def _commits(self, conversation: ConversationModel) -> None:
        """Replies follow in the order of their messages, and who has none is in the mailbox."""
        said: dict[str, list[str]] = {"message": [], "reply": []}
        for body in self._events[conversation.id]:
            kind, _, turn = body.partition(" ")
            if kind in said:
                said[kind].append(turn)
        waiting = [turn.id for turn in conversation.open_turns]
        need("commits", said["reply"] + waiting == said["message"], "replies, and turns that wait", said, waiting)

    def _take(self, gateway: str, entry: Entry) -> None:
        _, fields = entry
        conversation = self._world.model.by_id(fields["c"])
        if not gateway:
            self._events[conversation.id].append(fields["b"])
            need("log", int(fields["n"]) == len(self._events[conversation.id]), "number on the events stream", entry)
        elif "n" in fields:
            need("log", conversation.log[int(fields["n"]) - 1] == fields["b"], "copy of an event", entry)
        else:
            turn = conversation.find(fields["t"])
            need("draft", turn is not None, "chunk of no turn", entry)
            assert turn is not None
            self._take_chunk(gateway, conversation, turn, entry)

    def _take_chunk(self, gateway: str, conversation: ConversationModel, turn: TurnModel, entry: Entry) -> None:
        entry_id, fields = entry
        epoch, offset, text = int(fields["e"]), int(fields["o"]), fields["b"]
        need("fence", epoch >= self._epochs[gateway, conversation.id], "chunk of an old epoch after a new one", entry)
        self._epochs[gateway, conversation.id] = epoch
        need("commits", (gateway, turn.id) not in self._ended, "chunk after the end", entry)
        silent_after = turn.silent_after.get(gateway)
        late = silent_after is not None and entry_key(entry_id) > entry_key(silent_after)
        need("cancel", not (text and late), "words after the cancel was acknowledged", entry)
        if "s" in fields:
            self._ended.add((gateway, turn.id))
            need("commits", turn.status == fields["s"], "end chunk without its commit", entry, turn.status)
        if gateway == "g1" and text:
            self._join(turn, offset, text)

    def _join(self, turn: TurnModel, offset: int, text: str) -> None:
        """Put the words where they belong; they may repeat what is there and must not contradict it."""
        known = self._text[turn.id]
        need("draft", offset <= len(known), "chunk leaves a hole", turn.id, offset, known)
        overlap = known[offset : offset + len(text)]
        need("draft", text.startswith(overlap), "chunk contradicts earlier words", turn.id, text, overlap)
        self._text[turn.id] = known + text[len(overlap) :]
