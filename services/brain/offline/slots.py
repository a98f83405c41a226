"""Times, dates, numbers and codes in what a guest says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, time, timedelta

from services.brain.offline.words import word_row, word_set

_UNITS = {
    word: number
    for number, word in enumerate(
        word_row(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
            "seventeen eighteen nineteen twenty"
        )
    )
}
_ORDINALS = {
    word: number
    for number, word in enumerate(
        word_row(
            "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
            "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
        ),
        start=1,
    )
} | {"thirtieth": 30}
_MINUTES = {"fifteen": 15, "thirty": 30, "15": 15, "30": 30, "45": 45, "00": 0}
_DAYS = word_row("monday tuesday wednesday thursday friday saturday sunday")
_MONTHS = word_row("january february march april may june july august september october november december")
_BEFORE_TIME = word_set("at until till til by around about to before like past for say")
_BEHIND_TIME = word_set("am pm oclock")
_DAY_PARTS = word_set("morning afternoon evening")
_NOT_HOURS = word_set("night nights day days people guests adults persons room rooms hour hours week weeks")
_LATER = word_set("later more extra longer additional")
_FULL = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_CODE = re.compile(r"\b([a-z]{2})\s?-?((?:\d\s?){4})\b")


def number(word: str) -> int | None:
    """0 to 99 as digits, 0 to 20 in words; `a` and `an` are one."""
    if word.isdigit() and len(word) <= 2:
        return int(word)
    return 1 if word in ("a", "an") else _UNITS.get(word)


def find_time(words: Sequence[str], *, bare: bool = False) -> time | None:
    """The time of day that is named; hours from one to seven are in the afternoon unless the guest says otherwise.

    With `bare`, a number alone is a time: the guest was asked for one.
    """
    if "noon" in words or "midday" in words:
        return time(12)
    if "midnight" in words:
        return time(0)
    for at, word in enumerate(words):
        behind = words[at + 1] if at + 1 < len(words) else ""
        before = words[at - 1] if at else ""
        if found := _FULL.fullmatch(word):
            return _half(int(found[1]), int(found[2]), words)
        hour = number(word) if word not in ("a", "an") else None
        if hour is None or not 0 < hour <= 23 or behind in _NOT_HOURS:
            continue
        if before == "past" and at > 1:
            return _half(hour, 30 if words[at - 2] == "half" else 15, words)
        if before == "to" and at > 1 and words[at - 2] == "quarter":
            return _half(hour - 1, 45, words)
        minutes = _minutes(words[at + 1 : at + 3])
        named = before in _BEFORE_TIME or behind in _BEHIND_TIME or _day_part(words[at + 1 : at + 4])
        if named or minutes is not None or bare:
            return _half(hour, minutes or 0, words)
    return None


def find_hours_more(words: Sequence[str]) -> int | None:
    """`an hour later`, `two more hours`."""
    if not _LATER & set(words):
        return None
    for at, word in enumerate(words):
        if word in ("hour", "hours"):
            counts = [count for near in words[max(0, at - 2) : at] if (count := number(near)) is not None]
            return counts[-1] if counts else 1
    return None


def find_date(words: Sequence[str], today: date) -> date | None:
    """The day that is named: an ISO date, today, tomorrow, a weekday (the next one), or a day of a month (the next)."""
    joined = " ".join(words)
    for word in words:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", word):
            return _iso(word)
    if "day after tomorrow" in joined:
        return today + timedelta(days=2)
    if "tomorrow" in words:
        return today + timedelta(days=1)
    if "today" in words or "tonight" in words:
        return today
    if found := _day_of_month(words, today):
        return found
    for weekday, name in enumerate([*_DAYS[:4], "weekend", *_DAYS[5:]]):
        if name in words or _DAYS[weekday] in words:
            ahead = (weekday - today.weekday()) % 7
            return today + timedelta(days=ahead or 7)
    return None


def find_nights(words: Sequence[str]) -> int | None:
    """`three nights`, `a week`, `the weekend` (two)."""
    for at, word in enumerate(words):
        if word in ("night", "nights") and at and (count := number(words[at - 1])):
            return count
        if word in ("week", "weeks") and at and (count := number(words[at - 1])):
            return 7 * count
    return 2 if "weekend" in words else None


def find_guests(words: Sequence[str]) -> int | None:
    """`two people`, `for three of us`, `a couple`."""
    for at, word in enumerate(words):
        if word in ("people", "guests", "persons", "adults", "person", "guest", "us") and at:
            counts = [count for near in words[max(0, at - 2) : at] if (count := number(near))]
            if counts:
                return counts[-1]
    return 2 if "couple" in words else None


def find_code(text: str) -> str:
    """A reservation code such as HB2041, also spelled `h b 2 0 4 1` or with number words; '' if there is none."""
    low = text.lower().replace("-", " ")
    low = re.sub(r"\b([a-z]) ([a-z])\b(?=\s+\w)", r"\1\2", low)
    spelled = " ".join(str(_UNITS[word]) if _UNITS.get(word, 10) < 10 else word for word in low.split())
    found = _CODE.search(spelled)
    return (found[1] + found[2].replace(" ", "")).upper() if found else ""


def find_last_name(text: str) -> str:
    """The name behind `name is`, `under`, or alone beside a code."""
    low = re.sub(r"[^\w\s'-]", " ", text.lower())
    named = re.search(
        r"\b(?:name(?:'?s| is)?|under|for|mr|mrs|ms|i am|i'm|this is)\s+(?:is\s+)?([\w'-]+(?:\s+[\w'-]+)?)", low
    )
    if not named:
        return ""
    words = [word for word in named[1].split() if word not in _NOT_NAMES and not any(c.isdigit() for c in word)]
    return words[-1].title() if words else ""


_NOT_NAMES = word_set("and the my is code reservation booking number with a it please hb h b")


def _day_part(behind: Sequence[str]) -> bool:
    """`in the afternoon`, `this evening`."""
    return bool(behind) and behind[0] in ("in", "this") and bool(_DAY_PARTS & set(behind[1:]))


def _minutes(behind: Sequence[str]) -> int | None:
    if not behind:
        return None
    if behind[0] == "forty":
        return 45 if behind[1:2] == ["five"] or tuple(behind[1:2]) == ("five",) else 40
    return _MINUTES.get(behind[0])


def _half(hour: int, minute: int, words: Sequence[str]) -> time:
    """Morning or afternoon."""
    if "pm" in words or (1 <= hour <= 7 and not {"am", "morning"} & set(words)):
        hour = hour % 12 + 12
    return time(hour % 24, minute)


def _iso(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _day_of_month(words: Sequence[str], today: date) -> date | None:
    for at, word in enumerate(words):
        if word in _MONTHS:
            near = [*words[max(0, at - 3) : at][::-1], *words[at + 1 : at + 4]]
            day = _ordinal(near)
            if day:
                return _next_day(today, _MONTHS.index(word) + 1, day)
    return None


def _ordinal(near: Sequence[str]) -> int | None:
    for at, word in enumerate(near):
        day = _ORDINALS.get(word) or (
            int(found[1]) if (found := re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?", word)) else 0
        )
        if day:
            tens = {"twenty": 20, "thirty": 30}
            beside = [*near[max(0, at - 1) : at], *near[at + 1 : at + 2]]
            return day + next((tens[w] for w in beside if w in tens and day < 10), 0)
    return None


def _next_day(today: date, month: int, day: int) -> date | None:
    for year in (today.year, today.year + 1):
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if found >= today:
            return found
    return None
