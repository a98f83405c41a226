"""The protocol's invariants, each a small function over what Redis holds and what the model knows.

Grants (epochs rise, oldest open turn first, attempts, drafts) and refusals (fences, cancels, gaps) are predicted where
they happen, in the operations.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from tests.bus.property.model import Model, need
from tests.bus.property.snapshot import STEP_EVENTS, Snapshot


def mailbox_is_the_open_turns_in_order(now: Snapshot, model: Model) -> None:
    for one in now.conversations:
        mail = [item.split()[0] for item in one.mail]
        expected = [turn.id for turn in one.model.open_turns]
        need(mail == expected, "mailbox is not the accepted and uncommitted turns", one.model.id, mail, expected)


def state_is_as_predicted(now: Snapshot, model: Model) -> None:
    for one in now.conversations:
        fields = (one.state, one.fields.get("own", ""), one.fields.get("tok", ""))
        token = "" if one.model.granted_after is None else f"after {one.model.granted_after}"
        expected = (one.model.state, one.model.owner, one.model.token or token)
        need(fields == expected, "state", one.model.id, fields, expected)
        if one.fields:
            need(int(one.fields["ep"]) == one.model.epoch, "epoch", one.model.id, one.fields["ep"], one.model.epoch)


def idle_means_empty(now: Snapshot, model: Model) -> None:
    for one in now.conversations:
        need((one.state == "idle") == (not one.mail), "idle with mail, or busy without", one.model.id, one.state)


def running_has_an_owner(now: Snapshot, model: Model) -> None:
    owned: dict[str, set[str]] = defaultdict(set)
    for one in now.conversations:
        if one.state == "running":
            owned[one.fields["own"]].add(one.model.id)
            need(one.fields["own"] in now.leases, "owner unknown to the leases", one.model.id, one.fields["own"])
            need(now.pending.get(one.fields["act"]) == one.fields["own"], "entry not pending under its owner")
    for worker, conversations in now.owned.items():
        need(conversations == owned[worker], "owned set", worker, conversations, owned[worker])


def entries_are_the_activations(now: Snapshot, model: Model) -> None:
    """Pending and unread entries = activations of ready and running conversations: no orphan, no lost wake-up."""
    acts = [one.fields["act"] for one in now.conversations if one.state != "idle"]
    need(sorted(acts) == sorted({*now.pending, *now.unread}), "entries are not the activations", acts, now.pending)
    need(set(now.pending) <= set(now.turns), "a pending entry was trimmed", now.pending, now.turns)


def activations_are_new_when_made(now: Snapshot, model: Model) -> None:
    """Also takes up the entry's id: no reply tells it."""
    for one in now.conversations:
        one.model.observe(one.fields.get("act", ""))


def readers_are_the_consumers(now: Snapshot, model: Model) -> None:
    expected = {one.entry: one.reader for one in model.conversations if one.reader}
    need(now.pending == expected, "consumers of pending entries", now.pending, expected)


def lag_is_what_is_unread(now: Snapshot, model: Model) -> None:
    need(now.lag is not None, "lag is nil")
    need(now.lag == len(now.unread) == model.unread(), "lag", now.lag, now.unread, model.unread())


def one_run_at_the_current_epoch(now: Snapshot, model: Model) -> None:
    current = Counter(run.conversation.id for run in model.all_runs() if run.conversation.runs(run))
    need(not current or max(current.values()) == 1, "two runs at the current epoch", current)


def cancel_flags_are_cancelled_open_turns(now: Snapshot, model: Model) -> None:
    for one in now.conversations:
        flags = {name.removeprefix("x:") for name in one.fields if name.startswith("x:")}
        expected = {turn.id for turn in one.model.open_turns if turn.cancelled}
        need(flags == expected, "cancel flags", one.model.id, flags, expected)


def draft_is_what_was_acknowledged(now: Snapshot, model: Model) -> None:
    for one in now.conversations:
        expected = one.model.head.draft if one.model.open_turns else ""
        need(one.draft == expected, "draft", one.model.id, one.draft, expected)


def log_has_no_gap(now: Snapshot, model: Model) -> None:
    for one in now.conversations:
        log, kept = one.model.log, len(one.model.log) - one.model.archived
        need(one.log_length == kept, "log length", one.model.id, one.log_length, kept)
        end = [(entry, fields["b"]) for entry, fields in reversed(one.log_end)]
        first = len(log) - min(kept, STEP_EVENTS)
        expected = [(f"{n}-0", log[n - 1]) for n in range(first + 1, len(log) + 1)]
        need(end == expected, "log", one.model.id, end, expected)


def number_and_epoch_never_go_down(now: Snapshot, model: Model) -> None:
    """Also while retired."""
    for one in now.conversations:
        need(bool(one.fields) != one.model.retired, "retired or there", one.model.id, one.fields)
        head = " ".join((str(len(one.model.log)), str(one.model.epoch), "harbour"))
        need(one.head == (head if one.model.retired else None), "what retirement left", one.model.id, one.head, head)
        if one.fields:
            need(int(one.fields["n"]) == len(one.model.log), "last number", one.model.id, one.fields["n"])


def dead_letters_have_left_the_mailbox(now: Snapshot, model: Model) -> None:
    need(now.dead == model.dead_letters, "dead letters", now.dead, model.dead_letters)
    open_turns = {item.split()[0] for one in now.conversations for item in one.mail}
    need(not open_turns & set(now.dead), "a dead letter is still in its mailbox", now.dead)


INVARIANTS = (
    activations_are_new_when_made,
    mailbox_is_the_open_turns_in_order,
    state_is_as_predicted,
    idle_means_empty,
    running_has_an_owner,
    entries_are_the_activations,
    readers_are_the_consumers,
    lag_is_what_is_unread,
    one_run_at_the_current_epoch,
    cancel_flags_are_cancelled_open_turns,
    draft_is_what_was_acknowledged,
    log_has_no_gap,
    number_and_epoch_never_go_down,
    dead_letters_have_left_the_mailbox,
)
"""In order: the first takes up the entries that the others speak of."""
