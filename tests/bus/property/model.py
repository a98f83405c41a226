"""What must be true: the protocol's state as the test believes it, without Redis. Operations predict from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.bus.property.bucket_model import BucketModel

PROPERTY = "harbour"
GATEWAYS = ("g1", "g2")
MAILBOX = 4
HOUR_MS = 3_600_000
DEADLINE_MS = HOUR_MS // 2
"""Only a clock that jumps reaches it."""
LONG_MS = 10_000_000
"""Leases and subscriptions: longer than any trial takes; two or three jumps of the clock outlast it."""
NEVER = float("-inf")


class Violation(AssertionError):
    """The scripts did something else than the model allows. `invariant` is the one that noticed."""

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(text)
        self.invariant = invariant


def need(invariant: str, condition: object, what: str, *details: object) -> None:
    """`Violation` of that invariant unless the condition holds."""
    if not condition:
        raise Violation(invariant, f"{what}: {', '.join(map(repr, details))}" if details else what)


@dataclass(eq=False)
class TurnModel:
    id: str
    number: int
    status: str = ""
    """How it was committed; '' while it is open."""
    cancelled: bool = False
    attempts: int = 0
    tried: list[str] = field(default_factory=list)
    """How its runs ended that cost an attempt."""
    deadline: float = 0
    """By the jumping clock; 0: none."""
    draft: str = ""
    last_words: str = ""
    silent_after: dict[str, str] = field(default_factory=dict)
    """By gateway: the last entry of its chunk stream when the cancel was acknowledged."""


@dataclass(eq=False)
class Run:
    """What a worker believes to be running. It may be wrong."""

    worker: str
    conversation: ConversationModel
    turn: TurnModel
    epoch: int
    verdict: str
    offset: int
    unsent_draft: str = ""
    """A successor sends the draft once more, from its beginning."""


@dataclass(eq=False)
class ConversationModel:
    id: str
    log: list[str] = field(default_factory=list)
    """Encoded events; the number of the last is the length."""
    archived: int = 0
    retired: bool = False
    turns: list[TurnModel] = field(default_factory=list)
    early: set[str] = field(default_factory=set)
    event_numbers: dict[str, int] = field(default_factory=dict)
    listed: dict[str, float] = field(default_factory=dict)
    """Gateways in the list of subscribers, by when they run out."""
    version: int = 0
    context: dict[str, str] = field(default_factory=dict)
    state: str = "idle"
    owner: str = ""
    token: str = ""
    epoch: int = 0
    granted_after: int | None = None
    """Epoch of the commit that granted the running turn in place."""
    last_commit: tuple[str, int] | None = None
    entry: str = ""
    """The activation, as observed on the turns stream."""
    used_entries: set[str] = field(default_factory=set)
    reactivated: bool = False
    """The step made a new activation: its entry must be a new one."""
    reader: str = ""
    """Consumer that has read the activation."""

    @property
    def open_turns(self) -> list[TurnModel]:
        return [turn for turn in self.turns if not turn.status]

    @property
    def head(self) -> TurnModel:
        return self.open_turns[0]

    def find(self, turn_id: str) -> TurnModel | None:
        return next((turn for turn in self.turns if turn.id == turn_id), None)

    def record(self, body: str) -> int:
        """Append an event; answers its number."""
        self.log.append(body)
        return len(self.log)

    def revive(self) -> None:
        self.retired = False

    def subscribers(self, now: float) -> list[str]:
        """Who follows at this time, sorted."""
        return sorted(gateway for gateway, until in self.listed.items() if until >= now)

    def subscribe(self, gateway: str, now: float) -> None:
        """Who ran out and comes again counts as new."""
        if gateway:
            self.listed = {one: until for one, until in self.listed.items() if until >= now}
            self.version += gateway not in self.listed
            self.listed[gateway] = now + LONG_MS

    def activate(self) -> None:
        self.state, self.owner, self.token, self.granted_after = "ready", "", "", None
        self.reactivated, self.reader = True, ""

    def observe(self, entry: str) -> None:
        """Take up the id of the activation, which no reply tells: a new one exactly when one was made."""
        if self.reactivated:
            need("activations", entry not in self.used_entries, "activation was not made anew", self.id, entry)
            self.entry, self.reactivated = entry, False
            self.used_entries.add(entry)
        need("activations", entry == self.entry, "activation", self.id, entry, self.entry)

    def rest(self) -> None:
        self.state, self.owner, self.token, self.granted_after = "idle", "", "", None
        self.entry, self.reader = "", ""

    def runs(self, run: Run) -> bool:
        """Whether this run owns the conversation now."""
        return self.state == "running" and (self.owner, self.epoch) == (run.worker, run.epoch)

    def verdict(self, attempts: int, limit: int, now: float) -> str:
        """Of a claim, or of the next turn in place."""
        head = self.head
        if head.cancelled:
            return "cancelled"
        if attempts > limit:
            return "exhausted"
        return "expired" if head.deadline and now > head.deadline and not head.draft else "go"

    def granted(self, worker: str, epoch: int) -> None:
        """Take over a grant: epochs rise, whatever happened before."""
        need("epochs", epoch > self.epoch, "epoch did not rise", self.id, self.epoch, epoch)
        self.state, self.owner, self.epoch = "running", worker, epoch
        self.head.attempts += 1


@dataclass(frozen=True)
class Delivery:
    """An activation that a worker has read and not claimed yet."""

    entry: str
    conversation: ConversationModel
    token: str


@dataclass(eq=False)
class WorkerModel:
    id: str
    until: float = NEVER
    """When its lease runs out, by the jumping clock."""
    deliveries: list[Delivery] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)


@dataclass(frozen=True)
class LetterModel:
    """A dead letter, as it should stand in Redis."""

    entry: str
    conversation: ConversationModel | None
    """None: garbage."""
    fields: dict[str, str]

    @property
    def replay_turn(self) -> str:
        """Ids follow from the letter, as the bus makes them."""
        return f"replay-{self.entry}"


@dataclass(frozen=True)
class Job:
    """Who answers a call, as it believes."""

    holder: str
    epoch: int


@dataclass(eq=False)
class CallModel:
    id: str = "call-1"
    holder: str = ""
    epoch: int = 0
    until: float = NEVER
    """When the lease runs out, by the jumping clock."""
    expected: bool = False
    """Nobody has answered it yet."""
    left: bool = False
    """Its holder went on purpose."""
    ended: bool = False
    listed: bool = False
    """On the list of calls that are looked after."""
    token: str = ""
    """Of the watchdog that has reserved it."""
    reserved_until: float = NEVER
    dispatches: int = 0
    counted: str = ""
    """Token of the dispatch that was counted last."""
    jobs: list[Job] = field(default_factory=list)
    """Everybody who was ever told to answer it, zombies included."""

    @property
    def known(self) -> bool:
        """Whether Redis holds a call that is not over."""
        return (self.epoch > 0 or self.expected) and not self.ended

    def held(self, now: float) -> bool:
        return self.known and _lasts(self.until, now)

    def reserved(self, now: float) -> bool:
        return bool(self.token) and _lasts(self.reserved_until, now)

    def answered(self, holder: str, epoch: int, now: float) -> None:
        self.holder, self.epoch, self.until = holder, epoch, now + LONG_MS
        self.expected, self.left, self.ended, self.listed = False, False, False, True
        self.token, self.reserved_until, self.dispatches, self.counted = "", NEVER, 0, ""

    def unexpected(self) -> None:
        """Nobody had answered it, and nothing of it is left."""
        self.over()
        self.ended = False

    def over(self) -> None:
        self.until, self.expected, self.left, self.ended, self.listed = NEVER, False, False, True, False
        self.token, self.dispatches, self.counted = "", 0, ""


def _lasts(until: float, now: float) -> bool:
    """What ends later than its whole length from now was given by a clock that has stepped back."""
    return now < until <= now + LONG_MS


@dataclass(eq=False)
class Model:
    conversations: list[ConversationModel]
    attempts_limit: int
    now: float = 0
    """How far the server's clock has jumped: what really passes in a trial is nothing beside it."""
    workers: dict[str, WorkerModel] = field(default_factory=dict)
    letters: list[LetterModel] = field(default_factory=list)
    """In order; the ones that are kept."""
    unread_letters: list[dict[str, str]] = field(default_factory=list)
    """Letters whose entry no reply has told yet."""
    epochs: dict[str, tuple[int, tuple[str, str] | None]] = field(default_factory=dict)
    """By conversation: epoch and run as Redis had them after the last step."""
    call: CallModel = field(default_factory=CallModel)
    buckets: list[BucketModel] = field(default_factory=lambda: [BucketModel("a", 3, 3), BucketModel("b", 1, 1)])
    past_letters: list[LetterModel] = field(default_factory=list)
    """Replayed or discarded."""

    def alive(self, worker: str) -> bool:
        known = self.workers.get(worker)
        return known is not None and known.until > self.now

    def owned(self, worker: str) -> set[str]:
        return {one.id for one in self.conversations if one.state == "running" and one.owner == worker}

    def pending(self, worker: str) -> set[str]:
        """Entries that the worker has read and that are not acked."""
        return {one.entry for one in self.conversations if one.reader == worker}

    def unread(self) -> int:
        return sum(one.state == "ready" and not one.reader for one in self.conversations)

    def activations(self) -> set[str]:
        return {one.entry for one in self.conversations if one.state != "idle"}

    def all_runs(self) -> Iterable[Run]:
        return (run for worker in self.workers.values() for run in worker.runs)

    def by_id(self, conversation: str) -> ConversationModel:
        return next(one for one in self.conversations if one.id == conversation)
