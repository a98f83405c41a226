"""Chat completions on the wire: requests to the rules' lines, plans to responses and server-sent events. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from services.brain.offline.concierge import next_step
from services.brain.offline.dialogue import dialogue_of
from services.brain.offline.transcript import Kind, Line, Plan, Say

_WORD = re.compile(r"\S+\s*")
_KINDS = {"system": Kind.SYSTEM, "developer": Kind.SYSTEM, "user": Kind.GUEST}
ARGUMENT_PIECE = 8
"""Characters of a tool call's arguments per event, so that clients really have to join them."""
ALL = -1


class BadRequest(ValueError):
    """The body is no chat completion request."""


@dataclass(frozen=True, slots=True)
class Again:
    """How a model goes on with an answer that was cut off: in its own way."""

    text: str = ""
    """Other words than the rules'; '': theirs."""
    repeats: int = 0
    """So many of the last words are said once more first; ALL: all of them."""
    within: int = 0
    """It begins so many characters within what it says: in the middle of a word."""

    def behind(self, draft: str, rest: str) -> str:
        """What is said behind `draft`, where the rules would say `rest`."""
        words = draft.split()
        repeated = words if self.repeats == ALL else words[len(words) - min(self.repeats, len(words)) :]
        return " ".join([*repeated, self.text or rest])[self.within :]


def plan_of(body: Any, again: Again | None = None) -> tuple[Plan, int]:
    """What the rules do with a request, and the number of tool calls before; `BadRequest`."""
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list) or not body["messages"]:
        raise BadRequest("messages: a list that is not empty")
    try:
        lines = [line for message in body["messages"] for line in _lines(message)]
        tools = frozenset(tool["function"]["name"] for tool in body.get("tools") or ())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRequest(f"{type(error).__name__}: {error}") from error
    plan, draft = next_step(lines, tools), dialogue_of(lines).draft
    if again and draft and isinstance(plan, Say):
        plan = Say(again.behind(draft, plan.text))
    return plan, sum(line.kind is Kind.CALL for line in lines)


def _lines(message: dict[str, Any]) -> Iterator[Line]:
    role, text = message["role"], _text(message.get("content"))
    if role == "tool":
        yield Line(Kind.RESULT, text, call_id=message["tool_call_id"])
    elif role == "assistant":
        if text:
            yield Line(Kind.CONCIERGE, text)
        for call in message.get("tool_calls") or ():
            function = call["function"]
            arguments = json.loads(function["arguments"] or "{}")
            yield Line(Kind.CALL, call_id=call["id"], name=function["name"], arguments=arguments)
    else:
        yield Line(_KINDS[role], text)


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""


def deltas(plan: Plan, calls_so_far: int, piece_chars: int = 0) -> Iterator[dict[str, Any]]:
    """The deltas of a streamed answer, in order: words (or pieces of so many characters), or tool calls in pieces."""
    yield {"role": "assistant", "content": "" if isinstance(plan, Say) else None}
    if isinstance(plan, Say):
        pieces = range(0, len(plan.text), piece_chars) if piece_chars else ()
        yield from ({"content": plan.text[at : at + piece_chars]} for at in pieces)
        yield from ({"content": word} for word in _WORD.findall("" if piece_chars else plan.text))
        return
    for index, call in enumerate(calls_of(plan, calls_so_far)):
        text = call["function"]["arguments"]
        head = {**call, "index": index, "function": {"name": call["function"]["name"], "arguments": ""}}
        yield {"tool_calls": [head]}
        for at in range(0, len(text), ARGUMENT_PIECE):
            yield {"tool_calls": [{"index": index, "function": {"arguments": text[at : at + ARGUMENT_PIECE]}}]}


def calls_of(plan: Plan, calls_so_far: int) -> list[dict[str, Any]]:
    """A plan's tool calls as an assistant message bears them."""
    calls: Sequence[Any] = () if isinstance(plan, Say) else plan.calls
    return [
        {
            "id": f"call_{calls_so_far + index}_{name}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments, sort_keys=True)},
        }
        for index, (name, arguments) in enumerate(calls)
    ]


def finish_of(plan: Plan) -> str:
    return "stop" if isinstance(plan, Say) else "tool_calls"


def usage_of(body: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """Tokens, counted as quarters of characters and as words."""
    read = len(json.dumps(body["messages"])) // 4
    written = len(_WORD.findall(plan.text)) if isinstance(plan, Say) else 10 * len(plan.calls)
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def event(model: str, delta: dict[str, Any] | None, finish: str | None = None) -> bytes:
    """One server-sent event of a stream."""
    choice = {"index": 0, "delta": delta or {}, "logprobs": None, "finish_reason": finish}
    return _sse(_envelope(model, "chat.completion.chunk", [choice]))


def usage_event(model: str, usage: dict[str, Any]) -> bytes:
    return _sse({**_envelope(model, "chat.completion.chunk", []), "usage": usage})


DONE = b"data: [DONE]\n\n"


def completion(model: str, plan: Plan, calls_so_far: int, usage: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request that does not stream."""
    message: dict[str, Any] = {"role": "assistant", "content": plan.text if isinstance(plan, Say) else None}
    if calls := calls_of(plan, calls_so_far):
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_of(plan)}
    return {**_envelope(model, "chat.completion", [choice]), "usage": usage}


def _envelope(model: str, kind: str, choices: list[Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-local", "object": kind, "created": 0, "model": model, "choices": choices}


def _sse(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"
