"""What the model's replies of a conversation have taken: tokens, and their price. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from libs.contracts.events import AnyEvent, ReplyGenerated, Usage


def spent_on(events: Iterable[AnyEvent]) -> Usage:
    """The sum of all replies; `estimated` when one of them was cut before the provider told."""
    used = [event.usage for event in events if isinstance(event, ReplyGenerated) and event.usage]
    return Usage(
        input_tokens=sum(one.input_tokens for one in used),
        output_tokens=sum(one.output_tokens for one in used),
        cached_tokens=sum(one.cached_tokens for one in used),
        estimated=any(one.estimated for one in used),
        cost_micro=sum(one.cost_micro for one in used),
    )
