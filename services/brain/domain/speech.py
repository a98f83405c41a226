"""Text fit for the ear: amounts, times and dates in words, markdown taken out, whole words only."""

from __future__ import annotations

import re
from datetime import date, time

from services.brain.domain.money import Money


def _row(text: str) -> list[str]:
    return text.split()


_ONES = _row(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_CURRENCIES = {"EUR": ("euro", "euros"), "USD": ("dollar", "dollars"), "GBP": ("pound", "pounds")}
_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£"}


def number_words(number: int) -> str:
    """0 to 999,999 in words."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")
    if number < 1000:
        rest = f" and {number_words(number % 100)}" if number % 100 else ""
        return f"{_ONES[number // 100]} hundred{rest}"
    rest = f" {number_words(number % 1000)}" if number % 1000 else ""
    return f"{number_words(number // 1000)} thousand{rest}"


def ordinal_words(number: int) -> str:
    """`twenty-second`."""
    head, dash, last = number_words(number).rpartition("-")
    last = _ORDINALS.get(last) or (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")
    return f"{head}{dash}{last}"


def spoken_money(money: Money) -> str:
    """`thirty-five euros`, `one pound fifty`."""
    one, many = _CURRENCIES.get(money.currency, (money.currency, money.currency))
    whole, rest = divmod(money.minor, 100)
    text = f"{number_words(whole)} {one if whole == 1 else many}"
    return f"{text} {number_words(rest)}" if rest else text


def written_money(money: Money) -> str:
    """`€35`, `€17.50`; the code where the sign is not known."""
    sign = _SIGNS.get(money.currency, money.currency + " ")
    whole, rest = divmod(money.minor, 100)
    return f"{sign}{whole}.{rest:02d}" if rest else f"{sign}{whole}"


def spoken_time(moment: time) -> str:
    """`two pm`, `one thirty pm`, `noon`."""
    if (moment.hour, moment.minute) == (12, 0):
        return "noon"
    if (moment.hour, moment.minute) == (0, 0):
        return "midnight"
    hour = number_words(moment.hour % 12 or 12)
    minute = moment.minute
    middle = "" if not minute else f" oh {number_words(minute)}" if minute < 10 else f" {number_words(minute)}"
    return f"{hour}{middle} {'am' if moment.hour < 12 else 'pm'}"


def written_time(moment: time) -> str:
    """`2 pm`, `1:30 pm`."""
    minute = f":{moment.minute:02d}" if moment.minute else ""
    return f"{moment.hour % 12 or 12}{minute} {'am' if moment.hour < 12 else 'pm'}"


def spoken_date(day: date) -> str:
    """`Friday the fourth of December`."""
    return f"{day:%A} the {ordinal_words(day.day)} of {day:%B}"


def spoken_digits(text: str) -> str:
    """A number read digit by digit: `two oh four`."""
    return " ".join("oh" if char == "0" else _ONES[int(char)] if char.isdigit() else char for char in text)


def written_date(day: date) -> str:
    """`Friday 4 December`."""
    return f"{day:%A} {day.day} {day:%B}"


_LINK = re.compile(r"!?\[([^\]\s]*)\]\([^)\s]*\)|\]\([^)\s]*\)")
_URL = re.compile(r"https?://(?:www\.)?|www\.")
_INLINE = re.compile(r"\*+|`+|~~+")
_EDGE = re.compile(r"(?<!\w)_+(?=\w)|(?<=\w)_+(?!\w)")
_ONLY_MARKUP = re.compile(r"[#*_>|`~•\-–=+]+")


def speakable(word: str) -> str:
    """One word without markdown; '' if nothing is left to say. Signs that stand alone are markup, not words."""
    if _ONLY_MARKUP.fullmatch(word):
        return ""
    word = _LINK.sub(lambda link: link[1] or "", word)
    word = _URL.sub("", _EDGE.sub("", _INLINE.sub("", word)))
    return word.lstrip("[#>") if word[:1] in "[#>" else word


class Words:
    """Cuts a stream of text into whole words, each with the blank behind it; for the ear, without markdown.

    A word is known to be whole when a blank follows it or the text ends, so that whoever has to go on from what was
    emitted never stands in the middle of a word.
    """

    def __init__(self, *, spoken: bool) -> None:
        self._spoken = spoken
        self._rest = ""
        self._blank = False
        """Whether what was let out ends with a blank; for the ear one is enough."""

    def feed(self, text: str) -> str:
        """The words that `text` completes."""
        self._rest += text
        cut = self._last_blank()
        whole, self._rest = self._rest[:cut], self._rest[cut:]
        return self._clean(whole)

    def flush(self) -> str:
        """The last word, when the text has ended."""
        whole, self._rest = self._rest, ""
        return self._clean(whole)

    def _last_blank(self) -> int:
        """Index behind the last blank; 0 if there is none."""
        for index in range(len(self._rest) - 1, -1, -1):
            if self._rest[index].isspace():
                return index + 1
        return 0

    def _clean(self, text: str) -> str:
        if not self._spoken:
            return text
        said = ""
        for piece in re.findall(r"\s+|\S+\s*", text):
            more = _spoken_piece(piece)
            said += more.lstrip() if self._blank else more
            self._blank = said[-1].isspace() if said else self._blank
        return said


def _spoken_piece(piece: str) -> str:
    word = piece.rstrip()
    if not word:
        return " "
    said = speakable(word)
    return said + (" " if piece != word else "") if said else ""
