"""Every size limit of the system on one page. Bytes are UTF-8 bytes."""

from __future__ import annotations

MAX_MESSAGE_BYTES = 16_384
"""One guest message, text or transcript."""
MAX_EVENT_BYTES = 131_072
"""One encoded event."""
MAX_DRAFT_BYTES = 65_536
"""One reply."""
MAX_ID_CHARS = 64
MAX_EXTERNAL_ID_CHARS = 128
"""Ids given by hotel systems: customers, reservations."""
MAX_CONTEXT_FIELDS = 32
MAX_CONTEXT_VALUE_CHARS = 1_024
MAX_MAILBOX = 8
"""Unanswered turns in one conversation."""
MAX_WAITING = 1_000
"""Conversations of a shard that wait for a brain."""
MAX_ATTEMPTS = 5
"""Runs of one turn before it becomes a dead letter: it may be unlucky some times, and may not kill brains for ever."""
MAX_CHUNK_STREAM = 10_000
"""Entries kept in a gateway's chunk stream; what is lost is healed from log and draft."""
MAX_COMMAND_TEXT_BYTES = 2_000
"""What a command says or why it is given: a minute of speech."""
MAX_COMMAND_DETAIL_CHARS = 256
"""Why a command could not be carried out."""
MAX_PAUSE_S = 600
"""A pause in a call: then the concierge asks whether the guest is still there."""
