"""No character of an id from outside reaches into another key or another hash slot."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.errors import InvalidRequest
from libs.contracts.ids import check_external_id, check_id, identity_of, is_id
from libs.contracts.keys import EVENT_GROUPS, STORE_GROUP, Keys, shard_of

ODD = [
    "",
    " ",
    "a b",
    "a:b",
    "a/b",
    "{x}",
    "a}",
    "é",
    "a\n",
    "\x00",
    "-a",
    ".a",
    "_a",
    "a" * 65,
    "a*",
    "a?",
    "ａ",
    "\ud800",
]


@pytest.mark.parametrize("text", ["a", "Z9", "conv-1_2.3", "a" * 64])
def test_an_id(text: str) -> None:
    assert check_id(text, "field") == text


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_not_an_id(text: str) -> None:
    assert not is_id(text)
    with pytest.raises(InvalidRequest, match="turn_id"):
        check_id(text, "turn_id")


@pytest.mark.parametrize("text", ["R-1", "mews:{42}/é ü", "😀", "a" * 128, "' OR 1=1 --"])
def test_an_external_id_is_any_printable_text(text: str) -> None:
    assert check_external_id(text, "customerId") == text


@pytest.mark.parametrize("text", ["", "a" * 129, "a\nb", "\x00", "a\x7f", "\u202e", "\ud800"], ids=ascii)
def test_not_an_external_id(text: str) -> None:
    with pytest.raises(InvalidRequest, match="customerId"):
        check_external_id(text, "customerId")


def test_a_reservation_identifies_before_a_customer_does() -> None:
    assert identity_of("p", reservation_id="r", customer_id="c") == "p/reservation/r"
    assert identity_of("p", customer_id="c") == "p/customer/c"
    assert identity_of("p") == ""


external = st.text(min_size=1, max_size=128).filter(str.isprintable)
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,20}", fullmatch=True)


@given(ids, external, ids, external)
def test_identities_never_collide(property_a: str, guest_a: str, property_b: str, guest_b: str) -> None:
    same = (property_a, guest_a) == (property_b, guest_b)

    assert (identity_of(property_a, reservation_id=guest_a) == identity_of(property_b, reservation_id=guest_b)) is same
    assert identity_of(property_a, reservation_id=guest_a) != identity_of(property_b, customer_id=guest_b)


@given(ids, external, st.integers(0, 1023))
def test_every_key_has_exactly_the_shards_hash_tag(property_id: str, guest: str, shard: int) -> None:
    keys = Keys(shard)
    key = keys.open(identity_of(property_id, customer_id=guest))

    assert key.startswith(f"botel:{{{shard}}}:open:")
    assert key.count("{") == key.count("}") == 1
    assert re.fullmatch(r"[\x21-\x7e]+", key)


def test_every_key_of_a_shard_is_its_own() -> None:
    keys = Keys(3)
    named = [
        *(keys.turns, keys.events, keys.heads, keys.leases, keys.cancels, keys.dead),
        *(make("x") for make in (keys.chunks, keys.log, keys.conv, keys.mail, keys.draft, keys.context)),
        *(make("x") for make in (keys.open, keys.subs, keys.owned)),
        keys.seen("x", "y"),
    ]

    assert len(set(named)) == len(named)
    assert all(name.startswith("botel:{3}:") for name in named)


def test_the_shard_of_a_property_is_rediss_crc() -> None:
    """`CLUSTER KEYSLOT 123456789` answers 12739: the check value of CRC-16/XMODEM, 0x31c3."""
    assert shard_of("123456789", 16_384) == 12_739
    assert shard_of("harbour", 1) == 0


def test_the_store_is_a_declared_group() -> None:
    assert STORE_GROUP in EVENT_GROUPS
