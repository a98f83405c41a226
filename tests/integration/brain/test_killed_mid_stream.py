"""A brain dies in the middle of an answer; its model's next request is answered as real models do: in other words,
from the middle of a word, with some or all of the answer said once more. The guest hears one answer."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from libs.contracts.events import ReplyStatus
from services.brain.answer import Concierge
from services.brain.openai_server.protocol import ALL, Again
from services.brain.rehearsal import Rehearsal
from tests.integration.brain.brains import busy_one, running_brains, visiting
from tests.servers.openai import RunningOpenAI

OTHER = "up there you find a heated pool, and then there is a bar with music until late."
WAYS = {
    "from the next word on": Again(),
    "one word again": Again(repeats=1),
    "three words again": Again(repeats=3),
    "three words again, from the middle of the first": Again(repeats=3, within=2),
    "all again": Again(repeats=ALL),
    "other words": Again(OTHER),
    "three words again, then other words": Again(OTHER, repeats=3),
    "from the middle of a word, then other words": Again(OTHER, repeats=2, within=3),
    "all again, then other words": Again(OTHER, repeats=ALL),
}
ON_THE_BUS = (
    pytest.param("three words again, from the middle of the first", marks=pytest.mark.long),
    "from the middle of a word, then other words",
)


def draft_shown(running: RunningOpenAI) -> str:
    """What the last request told the model that the guest already has."""
    draft, wish = running.server.seen.bodies[-1]["messages"][-2:]
    assert draft["role"] == "assistant"
    assert "Your reply was cut off" in wish["content"]
    return str(draft["content"])


async def whole_tour(concierge: Concierge) -> str:
    return await Rehearsal(concierge.answer).say("tell me about the hotel")


@pytest.mark.parametrize("cut", [4, 60])
@pytest.mark.parametrize("way", WAYS)
async def test_one_answer_is_heard(over_http: Concierge, openai_server: RunningOpenAI, way: str, cut: int) -> None:
    whole = await whole_tour(over_http)
    draft = " ".join(whole.split()[:cut]) + " "
    talk, pieces = Rehearsal(over_http.answer), list[str]()
    first = talk.accept("tell me about the hotel")
    await first.run(over_http.answer)  # its tool is on the record; of its words the draft is what was out
    openai_server.server.knobs.piece_chars, openai_server.server.knobs.again = 3, WAYS[way]
    successor = talk.again(first.message, draft=draft, attempt=2)
    await successor.run(over_http.answer, on_text=pieces.append)

    assert draft_shown(openai_server) == draft
    assert successor.text == (draft + OTHER if WAYS[way].text else whole)
    assert all(piece[-1].isspace() for piece in pieces[:-1]), "whole words only"


@pytest.mark.parametrize("way", ON_THE_BUS)
async def test_kill_9_in_the_middle_of_a_sentence(
    redis_url: str, tmp_path: Path, openai_server: RunningOpenAI, over_http: Concierge, way: str
) -> None:
    whole, knobs = await whole_tour(over_http), openai_server.server.knobs
    knobs.token_s, knobs.piece_chars = 0.02, 3
    model = {"BRAIN_MODEL": "openai", "OPENAI_BASE_URL": openai_server.url, "OPENAI_API_KEY": "sk-local"}
    async with running_brains(2, redis_url, tmp_path / "h.sqlite3", **model) as brains, visiting(redis_url) as guest:
        await guest.say("tell me about the hotel")
        await guest.listen(words=12)
        dying = await busy_one(brains)
        knobs.again = WAYS[way]
        await dying.end(signal.SIGKILL)
        heard = guest.text
        reply = await guest.answer()

        draft = draft_shown(openai_server)
        assert draft.startswith(heard)
        assert whole.startswith(draft)
        assert draft[-1].isspace(), "whole words only"
        assert reply.status is ReplyStatus.FINISHED
        assert reply.text == (draft + OTHER if WAYS[way].text else whole)
        assert all(piece[-1].isspace() for piece in list(filter(None, guest.pieces))[:-1])
