"""`python -m services.voice_gateway`: takes calls at the audio door until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys

from pydantic import ValidationError

from libs.bus.settings import BusSettings
from libs.contracts.errors import BotelError
from libs.observability.logs import configure
from libs.observability.settings import ObservabilitySettings
from libs.observability.tracing import TracingSettings, tracing
from libs.rooms import RoomSettings
from libs.settings import wrong_settings
from services.voice_gateway import livekit_spans
from services.voice_gateway.app import run
from services.voice_gateway.settings import CallSettings, GatewaySettings, SpeechSettings


async def main() -> None:
    """Run until a signal."""
    watch = ObservabilitySettings()
    configure(watch, service="voice_gateway")
    livekit_spans.switch_off()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with tracing(TracingSettings(), service="voice_gateway", show_words=watch.show_words) as tracer:
        settings = GatewaySettings(), CallSettings(), SpeechSettings(), BusSettings(), watch, RoomSettings()
        await run(*settings, stop, tracer)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except ValidationError as error:
        print(f"voice_gateway: {wrong_settings(error)}", file=sys.stderr)
        sys.exit(1)
    except (BotelError, OSError, ValueError) as error:
        print(f"voice_gateway: {error}", file=sys.stderr)
        sys.exit(1)
