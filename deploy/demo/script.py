"""What the guest of the demo says and writes. None of these lines is in the recogniser's language-model corpus."""

from __future__ import annotations

from typing import NamedTuple

PROPERTY_ID = "harbour"
CUSTOMER_ID = "guest-204"


class Write(NamedTuple):
    """Send a text message and read the answer."""

    text: str
    expect: tuple[str, ...] = ()


class Say(NamedTuple):
    """Speak, and listen to the answer."""

    line: str
    expect: tuple[str, ...] = ()
    """Words of which each must be in the answer."""
    interrupt_after_s: float = 0.0
    """Cut the concierge short: begin to speak so long after the answer before this line began."""
    meanwhile: Write | None = None
    """Written and answered by text message while the answer to this line is being spoken."""


SCRIPT: tuple[Say | Write, ...] = (
    Say("what time is breakfast served in the morning", expect=("breakfast",)),
    Say("i would like to hear about the pool and the spa please", expect=("pool",)),
    Say("could i check out at two in the afternoon on my last day", expect=("two",), interrupt_after_s=3.0),
    Say(
        "yes please book that for me",
        expect=("booked",),
        meanwhile=Write("By the way, I am allergic to nuts.", expect=("nuts",)),
    ),
    Say("did you get the message i wrote to you", expect=("nuts",)),
    Write("Is there anywhere to park my car?", expect=("garage",)),
    Say("thank you very much that is everything goodbye"),
)
SPOKEN = tuple(step.line for step in SCRIPT if isinstance(step, Say))
