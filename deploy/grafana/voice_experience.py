"""`Voice experience`: what guests notice of calls, where a turn's time goes, how the line sounds, and what it costs."""

from __future__ import annotations

from deploy.grafana.panels import Board, Panel, Query, Row, Variable
from deploy.grafana.promql import by, mean, quantile, quantiles, rate, rates, share, total
from libs.observability import names

_PROPERTY = 'property=~"$property"'
_VOICE = 'channel="voice"'
_BAD = 'status=~"failed|expired|dead"'
_HEARD = rate(names.REPLIES_HEARD, _PROPERTY)


def _stage(name: str, channel: str = "voice") -> str:
    return f'stage="{name}",channel="{channel}"'


_NOTICED = Row(
    "What guests notice",
    [
        Panel(
            "First audio, p95",
            "s",
            "From the end of the guest's speech to the first audio of the answer. Over 2 s it is told.",
            "voice#first-audio",
            [Query(quantile(0.95, names.TURN_STAGE, _stage("first_audio")))],
            kind="stat",
            width=6,
        ),
        Panel(
            "Apologies",
            "percentunit",
            "Share of spoken answers in whose place the gateway apologised. Over 5 % it pages.",
            "voice#apologies-and-fillers",
            [Query(share(rate(names.REPLIES_FALLBACK, _PROPERTY), _HEARD))],
            kind="stat",
            width=6,
        ),
        Panel(
            "Calls in rooms",
            "short",
            "By their leases in Redis, so right whichever gateway dies. alone: nobody answers the guest.",
            "voice#calls-active",
            [by("state", names.CALLS_ACTIVE)],
            kind="stat",
            width=6,
        ),
        Panel(
            "Calls by gateway",
            "short",
            "What gateways have on the line, at the audio door and in rooms.",
            "voice#calls-active",
            [by("where", names.CALLS)],
            kind="stat",
            width=6,
        ),
        Panel(
            "First audio",
            "s",
            "The whole wait of a caller, median and the unlucky one in twenty.",
            "voice#first-audio",
            [*quantiles(names.TURN_STAGE, _stage("first_audio"))],
        ),
        Panel(
            "Apologies and fillers",
            "percentunit",
            "Of spoken answers: with an apology in their place, and with a filler in front because words were late.",
            "voice#apologies-and-fillers",
            [
                Query(share(rate(names.REPLIES_FALLBACK, _PROPERTY), _HEARD), "apology"),
                Query(share(rate(names.REPLIES_FILLED, _PROPERTY), _HEARD), "filler"),
            ],
        ),
        Panel(
            "Spoken answers",
            "reqps",
            "Heard whole, or cut by the guest.",
            "voice#interruptions",
            [rates("outcome", names.REPLIES_HEARD, _PROPERTY)],
        ),
        Panel(
            "Interruptions of finished calls",
            "reqps",
            "real: the guest took the floor. false: a noise paused the concierge, and he went on. Told when calls end.",
            "voice#interruptions",
            [rates("kind", names.CALL_INTERRUPTIONS)],
        ),
        Panel(
            "Replies by how they ended",
            "reqps",
            "Both channels.",
            "voice#replies",
            [rates("channel, status", names.REPLIES, _PROPERTY)],
        ),
        Panel(
            "Turns without a proper answer",
            "percentunit",
            "Share of failed, expired and dead turns, both channels. Over 5 % it pages.",
            "voice#replies",
            [Query(share(rate(names.REPLIES, f"{_BAD},{_PROPERTY}"), rate(names.REPLIES, _PROPERTY)))],
        ),
    ],
)

_STAGES = Row(
    "Where a turn's time goes",
    [
        Panel(
            "Stages of a spoken turn, mean",
            "s",
            "end_of_turn, queue, context, first_token, bus_hop and tts add up to about first_audio.",
            "voice#stages",
            [mean(names.TURN_STAGE, _VOICE, label="stage")],
        ),
        Panel(
            "Stages of a spoken turn, p95",
            "s",
            "The same for the unlucky one in twenty.",
            "voice#stages",
            [Query(quantile(0.95, names.TURN_STAGE, _VOICE, label="stage"), "{{stage}}")],
        ),
        Panel(
            "Hearing",
            "s",
            "Guest stopped speaking, to the end of the turn being decided; and to the final transcript.",
            "voice#stages",
            [
                *quantiles(names.TURN_STAGE, _stage("end_of_turn"), "end of turn"),
                *quantiles(names.TURN_STAGE, _stage("transcription"), "transcript"),
            ],
        ),
        Panel(
            "Thinking",
            "s",
            "Model asked, to its first words; and waiting for a brain before that.",
            "voice#stages",
            [
                *quantiles(names.TURN_STAGE, _stage("first_token"), "first token"),
                *quantiles(names.TURN_STAGE, _stage("queue"), "queue"),
            ],
        ),
        Panel(
            "Bus hop and context",
            "s",
            "What the way over Redis adds between gateway and brain; and reading the conversation.",
            "voice#stages",
            [
                *quantiles(names.TURN_STAGE, _stage("bus_hop"), "bus hop"),
                *quantiles(names.TURN_STAGE, _stage("context"), "context"),
            ],
        ),
        Panel(
            "Speaking",
            "s",
            "First chunk of the answer, to its first synthesised audio.",
            "voice#stages",
            [*quantiles(names.TURN_STAGE, _stage("tts"))],
        ),
        Panel(
            "Text turns",
            "s",
            "Of written messages: model's first words, and the whole reply.",
            "voice#text-turns",
            [
                *quantiles(names.TURN_STAGE, _stage("first_token", "text"), "first token"),
                *quantiles(names.TURN_STAGE, _stage("total", "text"), "whole"),
            ],
        ),
    ],
)

_CALLS = Row(
    "Calls",
    [
        Panel("Calls ended", "reqps", "By why.", "voice#calls-ended", [rates("reason", names.CALLS_ENDED)]),
        Panel(
            "Length of calls",
            "s",
            "Of those that ended.",
            "voice#calls-ended",
            [*quantiles(names.CALL_DURATION)],
        ),
        Panel(
            "Recogniser's confidence",
            "percentunit",
            "Mean of a call's recognised words; below BOTEL_CALL_CONFIDENCE_FLOOR the guest is asked to repeat.",
            "voice#call-quality",
            [*quantiles(names.CALL_CONFIDENCE)],
        ),
        Panel(
            "Packet loss",
            "percentunit",
            "Share of the guest's audio packets that never came, of calls in rooms that ended.",
            "voice#call-quality",
            [*quantiles(names.CALL_PACKET_LOSS)],
        ),
        Panel(
            "Jitter",
            "s",
            "The greatest of a call, of the guest's audio.",
            "voice#call-quality",
            [*quantiles(names.CALL_JITTER)],
        ),
        Panel(
            "Calls that lost their gateway",
            "reqps",
            "Found by watchdogs, and agents that they sent: the guest heard an apology and the call went on.",
            "voice#lost-gateways",
            [
                Query(rate(names.WATCHDOG_LEASES_LOST), "found"),
                Query(rate(names.WATCHDOG_TAKEOVERS), "agents sent"),
            ],
        ),
        Panel(
            "Voice sessions",
            "reqps",
            "Asked for over HTTP, by outcome.",
            "voice#voice-sessions",
            [rates("outcome", names.VOICE_SESSIONS)],
        ),
        Panel(
            "Call processes",
            "short",
            "Jobs with a call in a room, as they report to their gateway.",
            "voice#call-processes",
            [Query(total(names.JOBS))],
        ),
        Panel(
            "Event loop lag of call processes, p99",
            "s",
            "How late their timers run: over 50 ms speech stutters.",
            "voice#call-processes",
            [Query(quantile(0.99, names.JOB_LOOP_LAG))],
        ),
    ],
)

_MODEL = Row(
    "Model",
    [
        Panel(
            "Tokens",
            "short",
            "Per second, as providers told them; cached ones are part of input.",
            "voice#tokens-and-cost",
            [rates("kind", names.MODEL_TOKENS, _PROPERTY)],
        ),
        Panel(
            "Cost per hour",
            "suffix: per hour",
            "In the currency of BRAIN_PRICE_INPUT and _OUTPUT, by property; zero until they are set.",
            "voice#tokens-and-cost",
            [
                Query(
                    f"3600 * sum by (property) (rate({names.MODEL_COST}{{{_PROPERTY}}}[$__rate_interval]))",
                    "{{property}}",
                )
            ],
        ),
    ],
)

BOARD = Board(
    uid="botel-voice",
    title="Voice experience",
    description="What guests notice of calls, where a turn's time goes, how the line sounds, and what it costs.",
    rows=[_NOTICED, _STAGES, _CALLS, _MODEL],
    variables=[Variable("property", "Property", names.REPLIES)],
)
