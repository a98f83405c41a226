"""`python -m services.text_gateway`: the text channel and voice sessions over HTTP."""

from __future__ import annotations

import sys

from pydantic import ValidationError

from libs import process
from libs.bus.settings import BusSettings
from libs.observability.logs import configure
from libs.observability.settings import ObservabilitySettings
from libs.observability.tracing import TracingSettings, tracing
from libs.rooms import RoomSettings
from libs.settings import wrong_settings
from libs.web.api_keys import ApiKeySettings, ConfigurationError
from libs.web.rates import RateSettings
from libs.web.serve import stop_on_signals
from services.text_gateway.app import run
from services.text_gateway.settings import TextSettings, VoiceSessionSettings


async def main() -> None:
    """Run until SIGTERM or SIGINT."""
    watch = ObservabilitySettings()
    configure(watch, service="text_gateway")
    traced = tracing(TracingSettings(), service="text_gateway", show_words=watch.show_words)
    with stop_on_signals() as stop:
        async with traced as tracer:
            await run(
                TextSettings(),
                BusSettings(),
                ApiKeySettings(),
                stop,
                room_settings=RoomSettings(),
                session_settings=VoiceSessionSettings(),
                rate_settings=RateSettings(),
                tracer=tracer,
            )


if __name__ == "__main__":
    try:
        process.run(main())
    except ValidationError as error:
        print(f"text_gateway: {wrong_settings(error)}", file=sys.stderr)
        sys.exit(1)
    except (ConfigurationError, OSError) as error:
        print(f"text_gateway: {error}", file=sys.stderr)
        sys.exit(1)
