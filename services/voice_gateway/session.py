"""How a call is held: LiveKit's session with our manners of listening and being interrupted."""

from __future__ import annotations

from typing import Any

from livekit.agents import AgentSession, APIConnectOptions, llm
from livekit.agents.voice.agent_session import SessionConnectOptions

from services.voice_gateway.settings import CallSettings
from services.voice_gateway.speech.providers import Speech


class Session(AgentSession[None]):
    """A session that tells from the first step on that it ends, whoever ends it: LiveKit does with the process."""

    closing = False

    async def aclose(self) -> None:
        self.closing = True
        await super().aclose()


def session_of(brain: llm.LLM[Any], speech: Speech, settings: CallSettings) -> Session:
    """How a call is held; benchmarks hold another brain's calls the same way."""
    return Session(
        stt=speech.stt,
        llm=brain,
        tts=speech.tts,
        vad=speech.vad,
        use_tts_aligned_transcript=True,
        turn_handling={
            "turn_detection": "vad",
            "endpointing": {"min_delay": settings.endpointing_s, "max_delay": settings.max_endpointing_s},
            "interruption": {
                "mode": "vad",
                "min_duration": settings.interrupt_after_s,
                "resume_false_interruption": True,
                "false_interruption_timeout": settings.resume_after_s,
            },
            # A question is asked once, when it is final: speculation would need turns that can be withdrawn.
            "preemptive_generation": {"enabled": False},
        },
        conn_options=SessionConnectOptions(
            llm_conn_options=APIConnectOptions(max_retry=0), max_unrecoverable_errors=10
        ),
        # The default ignores a guest who speaks up in the first three seconds.
        aec_warmup_duration=None,
        user_away_timeout=settings.silence_s,
        session_close_transcript_timeout=0.2,
    )
