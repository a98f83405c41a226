import asyncio
import itertools

import pytest
from prometheus_client import CollectorRegistry

from libs.bus.observer import Observer
from libs.contracts.events import (
    AnyEvent,
    Author,
    Channel,
    HeardTimings,
    MessageReceived,
    ReplyGenerated,
    ReplyHeard,
    ReplyStatus,
    ReplyTimings,
    SpeechTimings,
    Usage,
)
from libs.observability import names
from libs.observability.labels import OTHER
from libs.observability.loop_lag import LoopLag
from libs.observability.metrics import BusMetrics, process_registry
from libs.observability.stages import STAGES, Hops, StageMetrics
from tests.unit.observability.exposition import labels_of, samples, value


def event(kind: type[MessageReceived] | type[ReplyGenerated] | type[ReplyHeard], **fields: object) -> AnyEvent:
    common: dict[str, object] = {
        "id": "e1",
        "time_ms": 1,
        "property_id": "harbour",
        "conversation_id": "c1",
        "turn_id": "t1",
        "author": Author.CONCIERGE,
        "channel": Channel.VOICE,
    }
    return kind(**{**common, **fields})  # type: ignore[arg-type]


def measured(registry: CollectorRegistry) -> set[str]:
    """Stages that were observed at all."""
    counts = samples(registry, names.TURN_STAGE + "_count")
    return {sample.labels["stage"] for sample in counts if sample.value}


def test_every_thing_the_bus_tells_is_counted_in_seconds() -> None:
    registry = CollectorRegistry()
    told: Observer = BusMetrics(registry)

    told.accepted("harbour", "ok")
    told.claimed("go", 12.0, 1)
    told.committed("finished", 1500.0)
    told.in_flight(3)
    told.fenced("emit")
    told.reaped("taken")
    told.cancelled("running")
    told.healed("log")
    told.dead_letter("exhausted")
    told.script("claim", 0.4)
    told.reconnected("commands")

    assert value(registry, names.TURNS_ACCEPTED, property="harbour", outcome="ok") == 1
    assert value(registry, names.TURNS_CLAIMED, verdict="go") == 1
    assert value(registry, names.TURN_QUEUE + "_sum") == pytest.approx(0.012)
    assert value(registry, names.TURNS_COMMITTED, status="finished") == 1
    assert value(registry, names.TURN_DURATION + "_sum") == pytest.approx(1.5)
    assert value(registry, names.TURNS_IN_FLIGHT) == 3
    assert value(registry, names.WRITES_FENCED, step="emit") == 1
    assert value(registry, names.CONVERSATIONS_REAPED, outcome="taken") == 1
    assert value(registry, names.CANCELS, outcome="running") == 1
    assert value(registry, names.FOLLOWERS_HEALED, what="log") == 1
    assert value(registry, names.DEAD_LETTERS_BY_KIND, kind="exhausted") == 1
    assert value(registry, names.TURN_ATTEMPTS, attempt="1") == 1
    assert value(registry, names.SCRIPT + "_sum", script="claim") == pytest.approx(0.0004)
    assert value(registry, names.RECONNECTS, what="commands") == 1


def test_a_second_attempt_is_a_retry_and_no_queue_wait() -> None:
    registry = CollectorRegistry()
    BusMetrics(registry).claimed("go", 60_000.0, 2)

    assert value(registry, names.TURNS_RETRIED) == 1
    assert value(registry, names.TURN_QUEUE + "_count") == 0


def test_properties_past_the_limit_are_counted_together() -> None:
    registry = CollectorRegistry()
    metrics = BusMetrics(registry, max_properties=2)

    for number in range(5):
        metrics.accepted(f"hotel-{number}", "ok")
    metrics.accepted("hotel-1", "ok")

    assert labels_of(registry, names.TURNS_ACCEPTED, "property") == {"hotel-0", "hotel-1", OTHER}
    assert value(registry, names.TURNS_ACCEPTED, property="hotel-1", outcome="ok") == 2
    assert value(registry, names.TURNS_ACCEPTED, property=OTHER, outcome="ok") == 3


def test_two_processes_in_one_test_do_not_share_a_registry() -> None:
    first, second = process_registry("brain", "1.0"), process_registry("brain", "1.0")
    BusMetrics(first).in_flight(1)
    BusMetrics(second)

    assert value(second, names.TURNS_IN_FLIGHT) == 0
    assert labels_of(first, names.BUILD_INFO, "service") == {"brain"}


def test_what_the_code_registers_stands_on_the_page_of_names() -> None:
    registry = process_registry("brain", "1.0")
    BusMetrics(registry)
    StageMetrics(registry)
    LoopLag(registry)
    registered = {family.name for family in registry.collect() if family.name.startswith("botel_")}

    page = {value.removesuffix("_total") for key, value in vars(names).items() if key.isupper()}

    assert registered <= page


def test_stages_come_from_the_events_and_zero_means_not_measured() -> None:
    registry = CollectorRegistry()
    stages = StageMetrics(registry)

    stages.observe(event(MessageReceived, text="hello", speech=SpeechTimings(end_of_turn_ms=300)))
    stages.observe(
        event(
            ReplyGenerated,
            text="Good evening.",
            status=ReplyStatus.FINISHED,
            usage=Usage(input_tokens=100, output_tokens=5),
            timings=ReplyTimings(queue_ms=1, first_token_ms=250),
        )
    )
    stages.observe(event(ReplyHeard, text="Good", complete=False, timings=HeardTimings(tts_ms=40, first_audio_ms=700)))

    assert measured(registry) == {"end_of_turn", "queue", "first_token", "tts", "first_audio"}
    assert value(registry, names.TURN_STAGE + "_sum", stage="first_audio", channel="voice") == pytest.approx(0.7)
    assert value(registry, names.REPLIES, status="finished", channel="voice", property="harbour") == 1
    assert value(registry, names.REPLIES_HEARD, outcome="interrupted", property="harbour") == 1
    assert value(registry, names.MODEL_TOKENS, kind="input", property="harbour") == 100


def test_every_stage_has_a_series_before_its_first_turn() -> None:
    """A rate over a series that begins at 1 is nothing: the first turn of a stage would not be seen."""
    registry = CollectorRegistry()
    StageMetrics(registry)

    assert labels_of(registry, names.TURN_STAGE, "stage") == set(STAGES)
    assert measured(registry) == set()


def test_fillers_fallbacks_and_costs_are_counted_by_property() -> None:
    registry = CollectorRegistry()
    stages = StageMetrics(registry)

    stages.observe(event(ReplyHeard, text="Yes.", complete=True, filler=True))
    stages.observe(event(ReplyHeard, text="I am sorry.", complete=True, fallback=True))
    cost = Usage(input_tokens=9, cost_micro=1_250_000)
    stages.observe(event(ReplyGenerated, text="Yes.", status=ReplyStatus.FINISHED, usage=cost))

    assert value(registry, names.REPLIES_HEARD, outcome="complete", property="harbour") == 2
    assert value(registry, names.REPLIES_FILLED, property="harbour") == 1
    assert value(registry, names.REPLIES_FALLBACK, property="harbour") == 1
    assert value(registry, names.MODEL_COST, property="harbour") == pytest.approx(1.25)


HEARD = {"text": "Yes.", "complete": True, "timings": HeardTimings(first_chunk_ms=330.0)}
GENERATED = {
    "text": "Yes.",
    "status": ReplyStatus.FINISHED,
    "timings": ReplyTimings(queue_ms=5.0, context_ms=2.0, first_token_ms=300.0, first_words_ms=318.0),
}


@pytest.mark.parametrize("heard_first", [True, False], ids=["heard first", "generated first"])
def test_the_hop_is_what_the_gateway_waits_beyond_what_the_brain_knows(heard_first: bool) -> None:
    registry = CollectorRegistry()
    stages = StageMetrics(registry)
    both = [event(ReplyHeard, **HEARD), event(ReplyGenerated, **GENERATED)]

    for one in both if heard_first else reversed(both):
        stages.observe(one)

    assert value(registry, names.TURN_STAGE + "_sum", stage="bus_hop", channel="voice") == pytest.approx(0.007)
    assert value(registry, names.TURN_STAGE + "_count", stage="bus_hop", channel="voice") == 1


@pytest.mark.parametrize(
    ("heard", "generated"),
    [
        ({"timings": HeardTimings()}, {}),
        ({"fallback": True}, {}),
        ({"turn_id": "t2"}, {}),
        ({}, {"timings": ReplyTimings(queue_ms=5.0, first_token_ms=3.0)}),
        ({}, {"channel": Channel.TEXT}),
        ({}, {"conversation_id": "c2"}),
    ],
    ids=["nothing heard", "an apology", "another turn", "begun by an earlier run", "written", "another conversation"],
)
def test_a_hop_is_told_only_of_a_turn_whose_both_ends_are_known(
    heard: dict[str, object], generated: dict[str, object]
) -> None:
    registry = CollectorRegistry()
    stages = StageMetrics(registry)

    stages.observe(event(ReplyGenerated, **{**GENERATED, **generated}))
    stages.observe(event(ReplyHeard, **{**HEARD, **heard}))

    assert "bus_hop" not in measured(registry)


def test_a_hop_below_the_grain_of_the_queue_is_the_least_that_can_be_told() -> None:
    registry = CollectorRegistry()
    stages = StageMetrics(registry)

    stages.observe(event(ReplyGenerated, **{**GENERATED, "timings": ReplyTimings(queue_ms=20.0, first_words_ms=318.0)}))
    stages.observe(event(ReplyHeard, **HEARD))

    assert value(registry, names.TURN_STAGE + "_sum", stage="bus_hop", channel="voice") == pytest.approx(0.0001)


def test_halves_that_never_meet_are_forgotten() -> None:
    hops = Hops(most=2)

    for turn in ("t1", "t2", "t3"):
        half = event(ReplyHeard, **{**HEARD, "turn_id": turn})
        assert isinstance(half, ReplyHeard)
        assert hops.join(half, 10.0) is None
    late = [event(ReplyGenerated, **{**GENERATED, "turn_id": turn}) for turn in ("t1", "t3")]

    assert [hops.join(one, -4.0) for one in late if isinstance(one, ReplyGenerated)] == [None, 6.0]


def test_imported_history_is_not_measured() -> None:
    registry = CollectorRegistry()
    stages = StageMetrics(registry)

    stages.observe(event(ReplyGenerated, text="Old.", status=ReplyStatus.FINISHED, imported=True))

    assert labels_of(registry, names.REPLIES, "status") == set()


def test_loop_lag_is_the_time_beyond_the_interval() -> None:
    class Stop(Exception):
        pass

    async def observed(registry: CollectorRegistry) -> None:
        loop = asyncio.get_running_loop()
        times = itertools.chain([10.0, 10.3, 20.0, 20.75], itertools.repeat(30.0))
        loop.time = lambda: next(times)  # type: ignore[method-assign]
        sleeps = 0

        async def sleep(_: float) -> None:
            nonlocal sleeps
            sleeps += 1
            if sleeps == 3:
                raise Stop

        with pytest.raises(Stop):
            await LoopLag(registry, interval_s=0.25, sleep=sleep).run()

    registry = CollectorRegistry()
    asyncio.run(observed(registry))

    assert value(registry, names.LOOP_LAG + "_count") == 2
    assert value(registry, names.LOOP_LAG + "_sum") == pytest.approx(0.55)


def test_an_odd_property_id_does_not_break_the_exposition() -> None:
    registry = process_registry("brain", "1.0")
    BusMetrics(registry).accepted('od"d\\name\n', "ok")

    assert labels_of(registry, names.TURNS_ACCEPTED, "property") == {'od"d\\name\n'}
