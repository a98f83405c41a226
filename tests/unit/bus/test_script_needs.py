"""Rights are read from the scripts: what is read is right, and what cannot be read is an error."""

from __future__ import annotations

import re

import pytest

from libs.bus.script_needs import read_needs
from libs.bus.scripts import load_scripts, script
from libs.contracts.keys import ONE_PER_ID, ONE_PER_SHARD

KNOWN = {*ONE_PER_SHARD, *ONE_PER_ID, "stream"}


def test_commands_keys_subcommands_loops_and_functions() -> None:
    needs = read_needs(
        script(
            "example",
            """-- example: all that the scripts do
-- KEYS 1 conv  2 open:<identity> (or another)  3.. chunks:<gateway> of all
-- ARGV 1 x
local clock = redis.call('TIME')
local function used(log, id) redis.call('XADD', log, '*', 'c', id) end
local function unused(heads)
  redis.call('HDEL', heads, 'a')
end
redis.call('DEL', KEYS[1], KEYS[2])        -- redis.call('FLUSHALL')
for i = 3, #KEYS do redis.call('XADD', KEYS[i], '*', 'a', 'b') end
redis.call('XGROUP', 'SETID', KEYS[1], 'g', '0')
used(KEYS[2], 'x')
""",
        )
    )
    assert needs.declared == {"conv", "open", "chunks"}
    assert needs.used == {
        ("time", ""),
        ("del", "conv"),
        ("del", "open"),
        ("xadd", "chunks"),
        ("xgroup|setid", "conv"),
        ("xadd", "log"),
    }


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("redis.call('GET', 'botel:{0}:x')", "plain to see"),
        ("redis.call('GET', ARGV[1])", "plain to see"),
        ("redis.call(ARGV[1], KEYS[1])", "not written out"),
        ("redis.pcall('GET', KEYS[1])", "not written out"),
        ("redis.call('XINFO', ARGV[1], KEYS[1])", "plain to see"),
        ("redis.call('GET')", "plain to see"),
    ],
)
def test_a_call_that_cannot_be_read_is_an_error(body: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_needs(script("bad", f"-- bad: x\n-- KEYS 1 conv\n{body}\n"))


@pytest.mark.parametrize("legend", ["", "-- KEYS none\n", "-- KEYS 1 conv  3 log\n"])
def test_a_legend_that_does_not_name_its_keys_is_an_error(legend: str) -> None:
    with pytest.raises(ValueError, match="KEYS"):
        read_needs(script("bad", f"-- bad: x\n{legend}return 1\n"))


@pytest.mark.parametrize("name", sorted(load_scripts()))
def test_every_script_can_be_read_and_uses_what_it_declares(name: str) -> None:
    one = load_scripts()[name]
    needs = read_needs(one)
    assert needs.declared <= KNOWN
    assert {key for _, key in needs.used if key} <= needs.declared
    commands = set(re.findall(r"redis\.call\('([A-Z]+)'", one.text))
    assert {command.partition("|")[0].upper() for command, _ in needs.used} <= commands
