"""What each Lua script does to which keys, read from its text: so that a user of Redis may do that and nothing else.

The commands inside a script run with the rights of whoever calls it, and a script that is refused in its middle has
written its first half. So the rights are derived from the scripts themselves (`libs.bus.access`) and cannot lag behind
them. A script that this page cannot read is an error when the rights are rendered, not a surprise in production.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from libs.bus.scripts import Script

_LEGEND = re.compile(r"(?m)^-- KEYS (.+)$")
_LEGEND_KEY = re.compile(r"(\d+)(?:\.\.)? ([a-z]+)(?=[: ]|$)")
_FUNCTION = re.compile(r"(?m)^local function (\w+)\((?:[^\n]* end$|[^\n]*\n(?:[^\n]*\n)*?end$)")
_CALL = re.compile(r"redis\.call\('([A-Z]+)'(?:, '([A-Z]+)'(?=[,)]))?(?:, ((?:KEYS\[\w+\](?:, (?=KEYS))?)+|[a-z]+\b))?")
_CONTAINERS = ("XGROUP", "XINFO")
"""Their first argument is a subcommand."""
_KEYLESS = ("TIME",)


class Needs(msgspec.Struct, frozen=True):
    """Keys by their name in the script's legend, such as `conv` or `chunks`."""

    declared: frozenset[str]
    """Keys that the script is called with."""
    used: frozenset[tuple[str, str]]
    """(command or command|subcommand in lower case, key; '' for a command without one)"""


def read_needs(script: Script) -> Needs:
    """`ValueError` when the text has a call whose command or key is not plain to see."""
    match = _LEGEND.search(script.text)
    if not match:
        raise ValueError(f"{script.name}.lua has no legend of its KEYS")
    numbered = dict(_LEGEND_KEY.findall(match[1]))
    if not numbered or sorted(map(int, numbered)) != list(range(1, len(numbered) + 1)):
        raise ValueError(f"{script.name}.lua: the legend of its KEYS names {numbered}")
    last = numbered[str(len(numbered))]
    return Needs(
        declared=frozenset(numbered.values()),
        used=frozenset(_calls(script.name, _reachable(script.text), numbered, last)),
    )


def _calls(script: str, text: str, numbered: Mapping[str, str], last: str) -> Iterator[tuple[str, str]]:
    """Where KEYS are gone through with a loop variable, these are the last of the legend."""
    found = list(_CALL.finditer(text))
    if len(found) != text.count("redis.call") or "redis.pcall" in text:
        raise ValueError(f"{script}.lua calls a command that is not written out")
    for call in found:
        command, subcommand, keys = call.groups()
        if (command in _CONTAINERS) != bool(subcommand) or (command in _KEYLESS) == bool(keys):
            raise ValueError(f"{script}.lua: command or key is not plain to see: {call[0]}")
        name = f"{command}|{subcommand}".lower() if subcommand else command.lower()
        if not keys:
            yield name, ""
        elif "[" not in keys:  # what an included function is given is called as in the legends
            yield name, keys
        else:
            for index in re.findall(r"\[(\w+)\]", keys):
                yield name, numbered.get(index, last)


def _reachable(text: str) -> str:
    """The text without comments and without functions that it includes and does not call."""
    bare = re.sub(r" *--.*", "", text)
    functions = {match[1]: match[0] for match in _FUNCTION.finditer(bare)}
    kept = main = _FUNCTION.sub("", bare)
    called: set[str] = set()
    while fresh := {name for name in functions.keys() - called if re.search(rf"\b{name}\(", kept)}:
        called |= fresh
        kept = main + "".join(functions[name] for name in called)
    return kept
