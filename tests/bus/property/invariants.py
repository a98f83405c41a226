"""The protocol's invariants, and the checks of them that need only what Redis holds and what the model knows.

Grants (oldest open turn first, attempts, drafts) and refusals (fences, cancels, gaps) are predicted where they happen,
in the operations; what left the protocol as streams is added up in replay. Every `need` names its invariant.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from tests.bus.property.model import LetterModel, Model, need
from tests.bus.property.snapshot import STEP_EVENTS, Snapshot

INVARIANTS = {
    "one-run": "one run at the current epoch",
    "commits": "commits in accepted order, each once, none lost; repeated, they answer the same",
    "mailbox": "the mailbox is the accepted and uncommitted turns, in order",
    "idle": "idle means empty mailbox",
    "activations": "pending and unread entries of turns are exactly the activations of ready and running conversations",
    "lag": "lag is never nil and equal to what is unread",
    "epochs": "epochs rise at every grant, also across retirement and when the clock steps",
    "claim": "a claim takes only its own activation of a ready conversation, never a running one, and needs a lease",
    "grants": "a grant is the oldest open turn, with its attempts and its verdict",
    "fence": "whatever a stale run, or somebody else in its name, writes is refused; a rightful one never is",
    "draft": "the draft is the chunks sent, and what a successor is given; nothing is written beyond it",
    "cancel": "a cancelled turn emits nothing after its acknowledgement, begins no effect and never finishes",
    "log": "log numbers have no gap, each event is there once, and the events stream holds the same",
    "letters": "a dead letter has left the mailbox, says what happened, and goes by replay or discard only, once",
    "owner": "running means one owner, who is known and lists it; only the dead are reaped, or who gives back",
    "limits": "past a limit, twice, or of another property: refused, and nothing is written",
    "followers": "who follows, and a change of it, is told to the run",
    "context": "the context is what was written, also while retired",
    "trim": "what a declared group needs stays, and what none needs goes",
    "holder": "one holder of a call at an epoch; nobody takes or ends what another holds, and who lost it is told",
    "call-epochs": "a call's epochs rise with every holder, past what its ticket knows",
    "watch": "a call that nobody holds is reserved for one watchdog at a time, and one that is held for none",
    "rates": "a bucket gives no more than it holds and time has brought, no less, and tells how long to wait",
    "end": "in the end every turn is committed, nothing waits or is pending, and the dead are buried",
}
"""By the name that a violation bears."""


def mailbox_is_the_open_turns_in_order(now: Snapshot, model: Model) -> None:
    for one in now.conversations:
        mail = [item.split()[0] for item in one.mail]
        expected = [turn.id for turn in one.model.open_turns]
        need(
            "mailbox",
            mail == expected,
            "mailbox is not the accepted and uncommitted turns",
            one.model.id,
            mail,
            expected,
        )


def state_is_as_predicted(now: Snapshot, model: Model) -> None:
    for one in now.conversations:
        fields = (one.state, one.fields.get("own", ""), one.fields.get("tok", ""))
        token = "" if one.model.granted_after is None else f"after {one.model.granted_after}"
        expected = (one.model.state, one.model.owner, one.model.token or token)
        need("owner", fields == expected, "state", one.model.id, fields, expected)
        if one.fields:
            need(
                "epochs",
                int(one.fields["ep"]) == one.model.epoch,
                "epoch",
                one.model.id,
                one.fields["ep"],
                one.model.epoch,
            )


def idle_means_empty(now: Snapshot, model: Model) -> None:
    for one in now.conversations:
        need(
            "idle", (one.state == "idle") == (not one.mail), "idle with mail, or busy without", one.model.id, one.state
        )


def running_has_an_owner(now: Snapshot, model: Model) -> None:
    owned: dict[str, set[str]] = defaultdict(set)
    for one in now.conversations:
        if one.state == "running":
            owned[one.fields["own"]].add(one.model.id)
            need(
                "owner", one.fields["own"] in now.leases, "owner unknown to the leases", one.model.id, one.fields["own"]
            )
            need("owner", now.pending.get(one.fields["act"]) == one.fields["own"], "entry not pending under its owner")
    for worker, conversations in now.owned.items():
        need("owner", conversations == owned[worker], "owned set", worker, conversations, owned[worker])


def entries_are_the_activations(now: Snapshot, model: Model) -> None:
    """Pending and unread entries = activations of ready and running conversations: no orphan, no lost wake-up."""
    acts = [one.fields["act"] for one in now.conversations if one.state != "idle"]
    need(
        "activations",
        sorted(acts) == sorted({*now.pending, *now.unread}),
        "entries are not the activations",
        acts,
        now.pending,
    )
    need("activations", set(now.pending) <= set(now.turns), "a pending entry was trimmed", now.pending, now.turns)


def activations_are_new_when_made(now: Snapshot, model: Model) -> None:
    """Also takes up the entry's id: no reply tells it."""
    for one in now.conversations:
        one.model.observe(one.fields.get("act", ""))


def readers_are_the_consumers(now: Snapshot, model: Model) -> None:
    expected = {one.entry: one.reader for one in model.conversations if one.reader}
    need("activations", now.pending == expected, "consumers of pending entries", now.pending, expected)


def lag_is_what_is_unread(now: Snapshot, model: Model) -> None:
    need("lag", now.lag is not None, "lag is nil")
    need("lag", now.lag == len(now.unread) == model.unread(), "lag", now.lag, now.unread, model.unread())


def one_run_at_the_current_epoch(now: Snapshot, model: Model) -> None:
    """Of all runs that anybody believes in, those that Redis would let speak."""
    current = Counter(conversation for conversation, _, _ in set(now.accepted))
    need("one-run", not current or max(current.values()) == 1, "two runs may speak", now.accepted)
    for one in now.conversations:
        named = {(worker, epoch) for conversation, worker, epoch in now.accepted if conversation == one.model.id}
        expected = {(one.fields["own"], int(one.fields["ep"]))} if one.state == "running" else set()
        need("one-run", named <= expected, "a run that is not the current one may speak", one.model.id, named, expected)


def cancel_flags_are_cancelled_open_turns(now: Snapshot, model: Model) -> None:
    for one in now.conversations:
        flags = {name.removeprefix("x:") for name in one.fields if name.startswith("x:")}
        expected = {turn.id for turn in one.model.open_turns if turn.cancelled}
        need("cancel", flags == expected, "cancel flags", one.model.id, flags, expected)


def draft_is_what_was_acknowledged(now: Snapshot, model: Model) -> None:
    for one in now.conversations:
        expected = one.model.head.draft if one.model.open_turns else ""
        need("draft", one.draft == expected, "draft", one.model.id, one.draft, expected)


def log_has_no_gap(now: Snapshot, model: Model) -> None:
    for one in now.conversations:
        log, kept = one.model.log, len(one.model.log) - one.model.archived
        need("log", one.log_length == kept, "log length", one.model.id, one.log_length, kept)
        end = [(entry, fields["b"]) for entry, fields in reversed(one.log_end)]
        first = len(log) - min(kept, STEP_EVENTS)
        expected = [(f"{n}-0", log[n - 1]) for n in range(first + 1, len(log) + 1)]
        need("log", end == expected, "log", one.model.id, end, expected)


def number_and_epoch_never_go_down(now: Snapshot, model: Model) -> None:
    """Also while retired."""
    for one in now.conversations:
        need("log", bool(one.fields) != one.model.retired, "retired or there", one.model.id, one.fields)
        head = " ".join((str(len(one.model.log)), str(one.model.epoch), "harbour"))
        need(
            "epochs",
            one.head == (head if one.model.retired else None),
            "what retirement left",
            one.model.id,
            one.head,
            head,
        )
        if one.fields:
            need("log", int(one.fields["n"]) == len(one.model.log), "last number", one.model.id, one.fields["n"])


def letters_are_kept_and_have_left_the_mailbox(now: Snapshot, model: Model) -> None:
    """Also takes up the entries of new letters: no reply tells them."""
    found = [fields | ({"m": fields["m"].split()[0]} if "m" in fields else {}) for _, fields in now.dead]
    expected = [*(letter.fields for letter in model.letters), *model.unread_letters]
    need("letters", found == expected, "dead letters", found, expected)
    for (entry, _), fields in zip(now.dead[len(model.letters) :], model.unread_letters, strict=True):
        model.letters.append(LetterModel(entry, model.by_id(fields["c"]) if "c" in fields else None, fields))
    model.unread_letters.clear()
    open_turns = {item.split()[0] for one in now.conversations for item in one.mail}
    need("letters", not open_turns & {one["m"] for one in found if "m" in one}, "a letter is in its mailbox", found)


def runs_that_were_lost_are_told(now: Snapshot, model: Model) -> None:
    for one in now.conversations:
        expected = "; ".join(one.model.head.tried)[:500] if one.model.open_turns else ""
        need("letters", one.fields.get("tr", "") == expected, "lost runs", one.model.id, one.fields, expected)


def epochs_rise_at_every_grant(now: Snapshot, model: Model) -> None:
    """By what Redis held before and holds now, also while retired: no prediction is asked."""
    for one in now.conversations:
        epoch = int(one.fields["ep"] if one.fields else (one.head or "0 0 -").split()[1])
        run = (one.fields.get("own", ""), one.fields.get("tok", "")) if one.state == "running" else None
        old_epoch, old_run = model.epochs.get(one.model.id, (0, None))
        granted = run is not None and run != old_run
        need("epochs", epoch > old_epoch or not granted, "a grant at an old epoch", one.model.id, old_epoch, epoch)
        need("epochs", epoch >= old_epoch, "the epoch went down", one.model.id, old_epoch, epoch)
        model.epochs[one.model.id] = (epoch, run)


def a_cancelled_turn_never_finishes(now: Snapshot, model: Model) -> None:
    for one in model.conversations:
        for turn in one.turns:
            ended = turn.status in ("", "cancelled", "dead")
            need("cancel", ended or not turn.cancelled, "a cancelled turn finished", turn)


def context_is_what_was_written(now: Snapshot, model: Model) -> None:
    """Also while retired."""
    for one in now.conversations:
        need("context", one.context == one.model.context, "context", one.model.id, one.context, one.model.context)


def a_call_is_as_predicted(now: Snapshot, model: Model) -> None:
    one, found = model.call, now.call
    need("holder", found.get("h", "") == one.holder, "holder", found, one)
    need("call-epochs", int(found.get("ep", 0)) == one.epoch, "epoch", found, one)
    need("holder", ("x" in found) == one.ended, "an end", found, one)
    need("watch", now.call_listed == one.listed, "the list of calls", found, one)
    need("watch", now.call_expires == one.ended, "only what is over expires", found, one)


CHECKS = (
    activations_are_new_when_made,
    idle_means_empty,
    one_run_at_the_current_epoch,
    mailbox_is_the_open_turns_in_order,
    running_has_an_owner,
    entries_are_the_activations,
    readers_are_the_consumers,
    lag_is_what_is_unread,
    state_is_as_predicted,
    cancel_flags_are_cancelled_open_turns,
    draft_is_what_was_acknowledged,
    log_has_no_gap,
    number_and_epoch_never_go_down,
    letters_are_kept_and_have_left_the_mailbox,
    runs_that_were_lost_are_told,
    epochs_rise_at_every_grant,
    a_cancelled_turn_never_finishes,
    context_is_what_was_written,
    a_call_is_as_predicted,
)
"""Run after every step, in this order: the first takes up the entries that the others speak of."""
