"""`python -m services.brain.openai_server --port 8100`: the local server until interrupted."""

from __future__ import annotations

import argparse

import uvicorn

from services.brain.openai_server.protocol import Again
from services.brain.openai_server.server import Knobs, LocalOpenAI


def main() -> None:
    parser = argparse.ArgumentParser(description="A local server with OpenAI's protocol, answering by offline rules.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--first-token-ms", type=float, default=0.0)
    parser.add_argument("--token-ms", type=float, default=0.0)
    parser.add_argument("--fail", type=int, default=0, help="so many requests fail first")
    parser.add_argument("--fail-status", type=int, default=500)
    parser.add_argument("--cut-after", type=int, default=0, help="break every stream after so many words")
    parser.add_argument("--piece-chars", type=int, default=0, help="stream in pieces of so many characters, not words")
    parser.add_argument("--again", default="", help="what is said behind an answer that was cut off, in other words")
    parser.add_argument("--again-repeats", type=int, default=0, help="words of it said once more first; -1: all")
    parser.add_argument("--again-within", type=int, default=0, help="begin so many characters within that")
    given = parser.parse_args()
    knobs = Knobs(
        first_token_s=given.first_token_ms / 1000,
        token_s=given.token_ms / 1000,
        fail=given.fail,
        fail_status=given.fail_status,
        cut_after=given.cut_after,
        piece_chars=given.piece_chars,
        again=Again(given.again, given.again_repeats, given.again_within),
    )
    uvicorn.run(LocalOpenAI(knobs).app, host=given.host, port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
