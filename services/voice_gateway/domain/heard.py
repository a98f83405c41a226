"""What the guest heard, from what the speech pipeline says was spoken. Pure.

The pipeline joins the segments of a reply (filler, first sentence, rest) without the blanks between them and leaves out
signs that are not spoken. Laid along the generated text, what was heard becomes a prefix of it again.
"""

from __future__ import annotations

import msgspec


class Heard(msgspec.Struct, frozen=True):
    text: str
    complete: bool


def heard_of(spoken: str, *, generated: str, filler: str, interrupted: bool) -> Heard:
    """What counts as heard of `generated`.

    spoken: the pipeline's text of all that was played, the filler first if there was one. generated: the reply without
    the filler. An uninterrupted reply was heard whole.
    """
    whole = generated.strip()
    if not interrupted:
        return Heard(whole, complete=True)
    text = _prefix(generated, _without(filler, spoken)).strip()
    return Heard(text, complete=bool(whole) and text == whole)


def _without(filler: str, spoken: str) -> str:
    """`spoken` behind the filler; '' when it was cut inside it."""
    at = 0
    for sign in filler:
        if sign.isspace():
            continue
        while at < len(spoken) and spoken[at].isspace():
            at += 1
        if at == len(spoken):
            return ""
        if spoken[at] != sign:
            return spoken
        at += 1
    return spoken[at:]


def _prefix(generated: str, spoken: str) -> str:
    """The shortest prefix of `generated` that holds the letters and digits of `spoken`, to the end of its last word."""
    wanted = [sign for sign in spoken if sign.isalnum()]
    if not wanted:
        return ""
    found = 0
    for at, sign in enumerate(generated):
        if not sign.isalnum():
            continue
        if sign != wanted[found]:
            return spoken
        found += 1
        if found == len(wanted):
            end = at + 1
            while end < len(generated) and not generated[end].isspace():
                end += 1
            # A word cut in the middle was not heard; the signs that close a word belong to it.
            tail = generated[at + 1 : end]
            return generated[:end] if not any(s.isalnum() for s in tail) else generated[: at + 1]
    return spoken
