"""Tables of the archive, in SQLAlchemy's words only: the same on SQLite and PostgreSQL.

A change to a released table raises SCHEMA and comes with its step in sql_versions; an archive of a newer schema is
refused.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

SCHEMA = 2
metadata = MetaData()


def _key(length: int) -> String:
    """Text that is compared: by its bytes on both, so that pages are the same whatever the database's language, and an
    index outlives an upgrade of the system's collations."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


archive_schema = Table("archive_schema", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

conversations = Table(
    "conversations",
    metadata,
    Column("conversation_id", _key(64), primary_key=True),
    # '' until an event of it could be read.
    Column("property_id", _key(64), nullable=False),
    Column("customer_id", _key(128), nullable=False),
    Column("reservation_id", _key(128), nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    # The highest number that is here.
    Column("last_number", BigInteger, nullable=False),
    # Every number up to this one is here, or was given up.
    Column("settled_to", BigInteger, nullable=False),
    Index("conversations_latest", "property_id", "last_ms", "conversation_id"),
    # With the order of a page, or SQLite would rather go through all of the property's by conversations_latest.
    Index("conversations_of_customer", "property_id", "customer_id", "last_ms", "conversation_id"),
    Index("conversations_of_reservation", "property_id", "reservation_id", "last_ms", "conversation_id"),
)

events = Table(
    "events",
    metadata,
    Column("conversation_id", _key(64), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(64), nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# One row for each conversation, made with it.
retirements = Table(
    "retirements",
    metadata,
    Column("conversation_id", _key(64), primary_key=True),
    # When it was last looked at whether it rests, and what its last number was then. 0: never.
    Column("looked_ms", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Index("retirements_due", "looked_ms"),
)

strays = Table(
    "strays",
    metadata,
    Column("id", _key(64), primary_key=True),
    Column("label", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# Conversations that were erased: what still comes of them, from wherever, is not kept. Bears nothing of the guest.
erasures = Table(
    "erasures",
    metadata,
    Column("conversation_id", _key(64), primary_key=True),
    Column("erased_ms", BigInteger, nullable=False),
)
