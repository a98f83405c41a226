"""Which invariants each seeded bug breaks. A bug may break several; the one that notices first depends on the seed."""

from __future__ import annotations

BROKEN = {
    "one-run": (
        "commit_any_epoch", "emit_nofence", "emit_any_epoch", "claim_superseded", "claim_steals_running",
        "reap_takes_live",
    ),
    "commits": (
        "commit_not_repeatable", "commit_no_end", "commit_end_before_fence", "accept_nodedup", "commit_nofence",
        "commit_any_epoch", "accept_unlogged", "accept_in_front",
    ),
    "mailbox": (
        "commit_dead_stays", "accept_in_front",
    ),
    "idle": (
        "accept_stays_idle", "commit_idle_with_mail", "accept_nowake",
    ),
    "activations": (
        "accept_wakes_ready", "commit_nowake", "commit_trims_pending", "reap_leaves_entry", "accept_nowake",
        "claim_stale_not_acked", "commit_no_ack", "claim_acks", "reap_acks_others", "reject_not_acked",
    ),
    "lag": (
        "commit_deletes", "claim_stale_not_acked", "commit_no_ack", "recount_forgets_unread", "recount_leaves_it",
        "recount_moves_the_group",
    ),
    "epochs": (
        "accept_restarts_epochs", "claim_same_epoch", "claim_epoch_is_the_clock",
        "commit_next_epoch_is_the_clock", "commit_next_same_epoch", "retire_restarts_epochs", "retire_forgets",
        "follow_restarts_epochs",
    ),
    "claim": (
        "claim_no_token", "claim_without_lease", "claim_superseded", "claim_steals_running",
    ),
    "grants": (
        "claim_ignores_cancel", "claim_costs_nothing", "claim_never_exhausted", "claim_never_expires",
        "claim_expires_begun", "commit_next_never_expires", "commit_next_expires_begun",
        "commit_next_ignores_cancel", "commit_next_keeps_attempts", "claim_forgets_draft",
    ),
    "fence": (
        "journal_nofence", "journal_any_epoch", "commit_any_worker", "commit_end_before_fence",
        "commit_nofence", "commit_any_epoch", "emit_nofence", "emit_any_epoch", "emit_before_fence",
    ),
    "draft": (
        "emit_no_gap", "emit_no_draft", "emit_to_the_rest", "emit_wrong_offset", "journal_no_gap",
        "commit_keeps_draft", "commit_no_gap", "emit_appends", "emit_before_fence", "claim_forgets_draft",
    ),
    "cancel": (
        "accept_ignores_early_cancel", "emit_ignores_cancel", "journal_begins_cancelled",
        "commit_ignores_cancel", "commit_keeps_flag", "commit_last_words_of_cancelled", "cancel_not_durable",
        "cancel_early_forgotten", "cancel_queued_as_running", "journal_drops_effect", "journal_begins_recorded",
    ),
    "log": (
        "open_twice", "open_restarts_numbers", "journal_nodedup", "journal_off_the_events",
        "commit_loses_number", "append_nodedup", "append_restarts_numbers", "retire_busy", "retire_unarchived",
        "accept_restarts_numbers", "replay_restarts_numbers", "accept_unlogged",
    ),
    "letters": (
        "commit_letter_without_message", "commit_letter_miscounts", "commit_keeps_lost_runs",
        "commit_no_dead_letter", "reap_refunds_always", "reap_tells_nothing", "reap_tells_refunded",
        "replay_keeps_letter", "replay_drops_refused", "replay_gone_letter", "replay_forgets_the_first",
        "reject_twice", "reject_without_letter", "commit_dead_stays", "reject_not_acked",
    ),
    "owner": (
        "claim_not_owned", "commit_stays_owner", "beat_miscounts", "reap_stays_owner", "reap_takes_unread",
        "reap_any_owner", "reap_gives_any_epoch", "reap_no_unclaimed", "bury_owner", "claim_acks",
        "reap_acks_others", "reap_takes_live",
    ),
    "limits": (
        "accept_any_property", "accept_large", "accept_never_busy", "accept_never_overloaded",
        "accept_counts_running_as_waiting", "emit_no_limit", "replay_full_mailbox", "accept_nodedup",
    ),
    "followers": (
        "follow_unnoticed", "follow_again_unnoticed",
    ),
    "context": (
        "append_loses_context", "append_keeps_removed",
    ),
    "trim": (
        "trim_unread", "trim_unacked", "trim_fastest_group", "trim_without_group", "trim_waits_for_dropped",
        "trim_dropped_for_ever",
    ),
    "holder": (
        "expect_call_forgets_its_epoch", "expect_call_holds_it",
        "take_call_steals", "take_call_not_repeatable", "take_call_of_a_stepped_clock", "renew_call_any_holder",
        "renew_call_any_epoch", "take_call_back_into_its_end", "renew_call_after_its_end", "end_call_held",
        "end_call_any_look", "end_call_any_holder", "end_call_ends_the_unanswered",
    ),
    "call-epochs": (
        "take_call_same_epoch", "take_call_forgets_takeovers",
        "end_call_forgets_its_epoch",
    ),
    "watch": (
        "expect_call_misses_at_once",
        "renew_call_expires", "renew_call_stays_reserved", "renew_call_unlisted", "end_call_for_ever",
        "reserve_call_held", "reserve_call_twice", "reserve_call_sends_unreserved", "reserve_call_not_repeatable",
        "reserve_call_counts_twice", "reserve_call_not_put_off", "reserve_call_lists_the_gone",
        "reserve_call_left_is_lost",
    ),
    "rates": (
        "spend_never_refuses", "spend_takes_nothing", "spend_over_the_burst", "spend_never_fills",
        "spend_clock_steps_back", "spend_for_ever", "spend_waits_too_short",
    ),
    "end": (
        "commit_no_trim", "beat_does_nothing", "bury_with_pending", "bury_alive",
    ),
}  # fmt: skip
"""Names of mutations by the name of the invariant."""


def broken_by(mutation: str) -> list[str]:
    """The invariants that this bug breaks."""
    return [invariant for invariant, mutations in BROKEN.items() if mutation in mutations]
