"""The Lua scripts: one file each in lua/, with shared pieces that a first line `--#include` names."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from importlib import resources

import msgspec

_INCLUDE = re.compile(r"^--#include (.+)$", re.MULTILINE)


class Script(msgspec.Struct, frozen=True):
    name: str
    text: str
    sha: str
    """SHA-1, as EVALSHA wants it."""


@functools.cache
def load_scripts() -> Mapping[str, Script]:
    """Every script by name, its includes put in their place."""
    folder = resources.files("libs.bus").joinpath("lua")
    sources = {
        item.name.removesuffix(".lua"): item.read_text() for item in folder.iterdir() if item.name.endswith(".lua")
    }
    scripts = {}
    for name, source in sources.items():
        if not name.startswith("_"):
            scripts[name] = script(name, expand(source, sources))
    return scripts


def expand(source: str, sources: Mapping[str, str]) -> str:
    """Put the included pieces in the place of the include line."""
    return _INCLUDE.sub(lambda match: "".join(sources[piece] for piece in match[1].split()), source)


def script(name: str, text: str) -> Script:
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
