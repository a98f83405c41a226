"""Side effects that the guest has not heard of: done in a turn that was cancelled, cut off or failed, or found out
later. They are told at the next turn, and again until an answer has come through whole.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from libs.contracts.events import AnyEvent, ReplyGenerated, ReplyHeard, ReplyStatus, ToolCompleted


def untold(events: Sequence[AnyEvent], turn_id: str, tools: Collection[str]) -> list[ToolCompleted]:
    """Completed calls of `tools` in turns before `turn_id`, behind which no reply came through whole; oldest first.

    A spoken reply of which nothing is known to have been missed counts as whole, as in the history.
    """
    complete = {event.turn_id: event.complete for event in events if isinstance(event, ReplyHeard)}
    whole = max(
        (
            event.number
            for event in events
            if isinstance(event, ReplyGenerated)
            and event.status is ReplyStatus.FINISHED
            and event.text.strip()
            and complete.get(event.turn_id, True)
        ),
        default=0,
    )
    return [
        event
        for event in events
        if isinstance(event, ToolCompleted)
        and event.ok
        and event.name in tools
        and event.turn_id != turn_id
        and event.number > whole
    ]
