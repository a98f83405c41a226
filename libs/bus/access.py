"""What each service may do in Redis: one user per service, with no right that its work does not need.

    users_file(passwords)   lines for `aclfile`, passwords as SHA-256 only
    ROLES                   who there is

A right is a command on certain keys. Those of the scripts are read from the scripts (`libs.bus.script_needs`); the
plain commands stand below. Each becomes a selector of its own, `(-@all +xadd ~botel:{*}:events)`: a user that may
append to one stream and read another can neither read the first nor write the second. EVALSHA itself asks for full
rights on the keys that are declared, so those get a selector that holds nothing but EVALSHA; what the script then does
is checked command by command against the others.

Syntax and commands of Redis 7.0 and of Valkey. Rendered by deploy.redis; what is left open is in docs/security.md.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from libs.bus.script_needs import read_needs
from libs.bus.scripts import load_scripts
from libs.contracts.keys import key_pattern

_EVERYBODY = ("ping", "time", "script|load", "client|setname", "select", "role", "cluster|slots")
"""Names no key: handshake, scripts, the server's clock, and finding the server of a Sentinel or Cluster deployment."""
_MIN_PASSWORD_CHARS = 16
_DEFAULT = "user default reset off ~* &* +@all"
"""Off: nobody enters as it, and nobody is it who has not entered. Its rights have to stay: Redis 7.0 replays its
append-only file with them, and drops what scripts wrote (MULTI and EXEC there) if they are missing (redis#14541,
valkey#3983)."""

_CONVERSE = ("open", "accept", "append", "cancel", "follow")
_READ_CONVERSATION = {
    "hget": "conv heads",
    "hmget": "conv",
    "hgetall": "context",
    "xrange": "log",
}
_HINT = {"xadd": "chunks", "pexpire": "chunks"}
"""Copies of an event to the gateways that follow."""
_STATS = {
    "zcount": "leases",
    "xlen": "dead turns events",
    "xrange": "turns events",
    "hget": "conv call",
    "zrange": "calls",
    "llen": "mail",
    "xinfo|groups": "turns events",
    "xinfo|stream": "turns events dead",
    "xpending": "turns events",
}


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """One user. Keys are named as in libs.contracts.keys; `chunks/text-` are those whose id begins with `text-`."""

    name: str
    scripts: tuple[str, ...]
    stream: str = ""
    """The stream of `recount` and `reject`, whose legends name none."""
    plain: tuple[Mapping[str, str], ...]
    """Commands that the bus sends without a script, with the keys that they name."""
    keyless: tuple[str, ...] = ()
    """Commands without a key, besides everybody's."""


def _feed(gateway: str) -> dict[str, str]:
    """A gateway reads, keeps and deletes its own chunk stream only."""
    own = f"chunks/{gateway}-"
    return {"xread": own, "xrevrange": own, "del": own}


BRAIN = Role(
    name="brain",
    scripts=("claim", "emit", "journal", "commit", "beat", "reap", "bury", "reject", "recount"),
    stream="turns",
    plain=(
        {
            "xgroup|create": "turns",
            "xreadgroup": "turns",
            "xread": "cancels",
            "xrevrange": "cancels log",
            "xrange": "log turns",
            "xpending": "turns",
            "hget": "conv",
            "hgetall": "context",
            "zrange": "subs leases",
            "smembers": "owned",
            "xadd": "chunks",
        },
    ),
)
VOICE_GATEWAY = Role(
    name="voice_gateway",
    scripts=(*_CONVERSE, "call_expect", "call_take", "call_renew", "call_end", "call_reserve"),
    plain=(_READ_CONVERSATION, _HINT, _feed("voice"), {"zrange": "calls", "zrevrange": "calls"}),
)
TEXT_GATEWAY = Role(
    name="text_gateway",
    scripts=(*_CONVERSE, "call_expect", "call_end", "spend"),
    plain=(_READ_CONVERSATION, _HINT, _feed("text")),
)
CONTEXT_STORE = Role(
    name="context_store",
    scripts=("open", "append", "retire", "trim", "reject", "recount", "spend"),
    stream="events",
    plain=(
        _READ_CONVERSATION,
        _HINT,
        _STATS,
        {
            "xgroup|create": "events",
            "xreadgroup": "events",
            "xautoclaim": "events",
            "xack": "events",
            # What retires and erases.
            "exists": "subs conv",
            "get": "open",
            "del": "open context",
            "hdel": "heads",
            "xrevrange": "dead",
            "xrange": "dead",
            "xdel": "dead",
        },
    ),
    keyless=("info",),
)
OPERATOR = Role(
    name="operator",
    scripts=("replay", "trim"),
    plain=(
        _STATS,
        {
            "xread": "turns events cancels dead chunks",
            "xrevrange": "turns events cancels dead chunks",
            "xrange": "dead log",
            "xdel": "dead",
            "xtrim": "dead",
            "hexists": "heads",
            "smembers": "dropped",
            "sadd": "dropped",
            "xgroup|destroy": "events",
            "xinfo|consumers": "events",
        },
    ),
    keyless=("scan", "info", "acl|log", "acl|load"),
)
"""Whoever runs `make lag`, `make tail` and `python -m libs.bus`. SCAN tells the names of all keys, also of others'."""
ROLES = (BRAIN, VOICE_GATEWAY, TEXT_GATEWAY, CONTEXT_STORE, OPERATOR)


def rights(role: Role) -> dict[str, frozenset[str]]:
    """Globs of the keys on which a role may use each command."""
    scripts, found = load_scripts(), defaultdict[str, set[str]](set)
    for name in role.scripts:
        needs = read_needs(scripts[name])
        found["evalsha"] |= {_pattern(role, key) for key in needs.declared}
        for command, key in needs.used:
            if key:
                found[command].add(_pattern(role, key))
    for table in role.plain:
        for command, keys in table.items():
            found[command] |= {_pattern(role, key) for key in keys.split()}
    return {command: frozenset(patterns) for command, patterns in sorted(found.items())}


def rules(role: Role) -> list[str]:
    """The rules of a role's user, as ACL SETUSER takes them, without state and password."""
    by_keys = defaultdict[frozenset[str], list[str]](list)
    for command, patterns in rights(role).items():
        by_keys[patterns].append(command)
    return [
        "resetkeys",
        "resetchannels",
        "-@all",
        *(f"+{command}" for command in (*_EVERYBODY, *role.keyless)),
        *(_selector(commands, patterns) for patterns, commands in by_keys.items()),
    ]


def users_file(passwords: Mapping[str, Sequence[str]], *, more: Iterable[str] = ()) -> str:
    """The whole file: a user per role, nobody else, nobody without a password. `more`: lines of further users.

    A role may have several passwords, all good. `ValueError` for one without, or with one that can be guessed.
    """
    lines = [_DEFAULT]
    for role in ROLES:
        known = passwords.get(role.name) or [""]
        if min(map(len, known)) < _MIN_PASSWORD_CHARS:
            raise ValueError(f"a password of {role.name} has fewer than {_MIN_PASSWORD_CHARS} characters")
        digests = " ".join(f"#{hashlib.sha256(one.encode()).hexdigest()}" for one in known)
        lines.append(f"user {role.name} reset on {digests} {' '.join(rules(role))}")
    return "\n".join([*lines, *more]) + "\n"


def _selector(commands: Iterable[str], patterns: Iterable[str]) -> str:
    return "(-@all " + " ".join([*(f"+{one}" for one in commands), *(f"~{one}" for one in sorted(patterns))]) + ")"


def _pattern(role: Role, key: str) -> str:
    name, _, beginning = key.partition("/")
    return key_pattern(role.stream if name == "stream" else name, beginning)
