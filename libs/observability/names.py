"""Every metric name of the system on one page: what code registers, and what dashboards and alerts may use.

Durations are seconds and counters end in `_total`, by Prometheus's conventions. No label bears a conversation, a turn
or a guest: labels are closed sets, and `property` is bounded where it is counted.
"""

from __future__ import annotations

# A worker or gateway on the bus (metrics.BusMetrics).
TURNS_ACCEPTED = "botel_turns_accepted_total"
TURNS_CLAIMED = "botel_turns_claimed_total"
TURNS_RETRIED = "botel_turns_retried_total"
"""Takeovers: turns taken again after a run that did not end."""
TURN_ATTEMPTS = "botel_turn_attempts_total"
"""Runs begun. Label attempt: 1, 2, 3, more."""
TURN_QUEUE = "botel_turn_queue_seconds"
TURNS_COMMITTED = "botel_turns_committed_total"
TURN_DURATION = "botel_turn_duration_seconds"
TURNS_IN_FLIGHT = "botel_turns_in_flight"
WRITES_FENCED = "botel_writes_fenced_total"
CONVERSATIONS_REAPED = "botel_conversations_reaped_total"
CANCELS = "botel_cancels_total"
FOLLOWERS_HEALED = "botel_followers_healed_total"
WRITES_REFUSED = "botel_writes_refused_total"
DEAD_LETTERS_BY_KIND = "botel_dead_letters_by_kind_total"
"""Dead letters that this process wrote. Label kind: exhausted and unreadable (turns), entry, event."""
SCRIPT = "botel_script_seconds"
RECONNECTS = "botel_reconnects_total"

# Every process (metrics.process_registry, loop_lag.LoopLag).
BUILD_INFO = "botel_build_info"
LOOP_LAG = "botel_event_loop_lag_seconds"

# Turns, from the events (stages.StageMetrics).
TURN_STAGE = "botel_turn_stage_seconds"
"""Labels stage (stages.STAGES), channel."""
REPLIES = "botel_replies_total"
"""Labels status (events.ReplyStatus), channel, property."""
REPLIES_HEARD = "botel_replies_heard_total"
"""Spoken replies. Labels outcome: complete, interrupted; property."""
REPLIES_FILLED = "botel_replies_filled_total"
"""Of those, the ones with a filler in front. Label property."""
REPLIES_FALLBACK = "botel_replies_fallback_total"
"""Of those, the ones in whose place the gateway apologised. Label property."""
MODEL_TOKENS = "botel_model_tokens_total"
"""Labels kind: input, output, cached (part of input); property."""
MODEL_COST = "botel_model_cost_total"
"""In whole units of the currency that the brain's prices are in. Label property."""

# Calls, from the events (stages.StageMetrics).
CALLS_ENDED = "botel_calls_ended_total"
"""Label reason: services.voice_gateway.ports.EndReason, or who ended it for a gateway that could not."""
CALL_DURATION = "botel_call_duration_seconds"
CALL_PACKET_LOSS = "botel_call_packet_loss_ratio"
CALL_JITTER = "botel_call_jitter_seconds"
CALL_CONFIDENCE = "botel_call_confidence_ratio"
CALL_INTERRUPTIONS = "botel_call_interruptions_total"
"""Label kind: real, false (the guest was not speaking to the concierge)."""

# Stream lag (one exporter, in the context store). Labels: shard, stream, group.
GROUP_LAG = "botel_group_lag"
"""Entries that the group has not read. Absent while unknown: see GROUP_LAG_KNOWN."""
GROUP_LAG_KNOWN = "botel_group_lag_known"
GROUP_PENDING = "botel_group_pending"
GROUP_OLDEST_WAITING = "botel_group_oldest_waiting_seconds"
"""Age of the oldest entry that nobody has read."""
GROUP_OLDEST_IN_FLIGHT = "botel_group_oldest_in_flight_seconds"
"""Age of the oldest entry that was read and not acknowledged."""
TURNS_WAITING = "botel_turns_waiting"
"""Turns accepted and not begun, those behind the head of a mailbox included. Label: shard."""
WORKERS_ALIVE = "botel_workers_alive"
"""Brains with a live lease. Label: shard."""
DEAD_LETTERS = "botel_dead_letters"
"""Dead letters kept. Label: shard."""
DEAD_LETTERS_WRITTEN = "botel_dead_letters_written_total"
"""Dead letters ever, as Redis counts them. Label: shard."""
CALLS_ACTIVE = "botel_calls_active"
"""Calls in rooms, by their leases in Redis. Labels: shard, state (answered, alone: nobody holds it; where nobody ever
did, for 30 s)."""
REDIS_MEMORY_USED = "botel_redis_memory_used_bytes"
REDIS_MEMORY_LIMIT = "botel_redis_memory_limit_bytes"
"""`maxmemory`, or all that the server's machine has. Label: shard."""
STREAMS_READABLE = "botel_streams_readable"
"""1: the last reading of the streams succeeded; 0: nothing of them is known, Redis is away."""
LAG_READ_FAILED = "botel_lag_read_failed_total"
STREAM_LENGTH = "botel_stream_length"
"""Entries on the stream, read ones included. Labels: shard, stream."""
GROUP_CONSUMERS = "botel_group_consumers"
GROUP_PRESENT = "botel_group_present"
"""0: a declared group does not exist, nothing of it is known."""

# The context store.
STORE_EVENTS = "botel_store_events_total"
"""Label outcome: new, duplicate, unknown (new, unreadable), stray (no place), conflict (a stray whose number another
event has), healed (found in the log), lost."""
STORE_RETIRED = "botel_store_retired_total"
"""Label outcome: retired, busy, behind, followed, awake, none (Redis does not hold it), failed."""

# The voice gateway.
CALLS = "botel_voice_calls"
"""Calls that this gateway has. Label where: door, room."""
JOBS = "botel_voice_jobs"
"""Processes with a call in a room, that tell this gateway what they count."""
JOB_LOOP_LAG = "botel_voice_job_loop_lag_seconds"
"""As LOOP_LAG, of those processes."""
JOB_REPORTS_LOST = "botel_voice_job_reports_lost_total"
"""What they counted and could not tell."""
SPEECH_PROVIDER_CHANGES = "botel_speech_provider_changes_total"
"""A speech provider failed or was seen to work again. Labels: part (stt, tts), provider, outcome (failed, back)."""

# The voice gateway's watchdog of calls in rooms (services.voice_gateway.watchdog).
WATCHDOG_LEASES_LOST = "botel_watchdog_leases_lost_total"
"""Calls that it found without a gateway."""
WATCHDOG_TAKEOVERS = "botel_watchdog_takeovers_total"
"""Agents that it sent to such calls."""
WATCHDOG_CALLS_ENDED = "botel_watchdog_calls_ended_total"
"""Label why: guest-gone, given-up."""

# The HTTP services. Label route is the template, never the path.
HTTP_REQUESTS = "botel_http_request_seconds"
HTTP_STREAMS = "botel_http_open_streams"
HTTP_LIMITED = "botel_http_rate_limited_total"
"""Requests refused because their key asks too often. Labels: property (with a key), what: turns, cancels, sessions,
streams, reads."""
HTTP_UNCOUNTED = "botel_http_rate_uncounted_total"
"""Requests let through because Redis could not count them. Label what."""

# Voice sessions (in the text gateway).
VOICE_SESSIONS = "botel_voice_sessions_total"
"""Label outcome: opened, rejoined, or the code of the error."""
VOICE_WEBHOOKS = "botel_voice_webhooks_total"
"""Labels event: participant_joined, room_finished, other; outcome: recorded, ignored, foreign, unknown, or the code of
the error."""
