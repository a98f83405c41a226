"""`python -m services.context_store`: keeps every conversation, serves history and context, exports stream lag.

With arguments it is the operator's command: see cli.
"""

from __future__ import annotations

import sys

from pydantic import ValidationError

from libs import process
from libs.bus.settings import BusSettings
from libs.contracts.errors import BotelError
from libs.observability.logs import configure
from libs.observability.settings import ObservabilitySettings
from libs.observability.tracing import TracingSettings, tracing
from libs.settings import wrong_settings
from libs.web.api_keys import ApiKeySettings, ConfigurationError
from libs.web.rates import RateSettings
from libs.web.serve import stop_on_signals
from services.context_store.app import run
from services.context_store.cli import main as command
from services.context_store.settings import StoreSettings


async def main() -> None:
    """Run until SIGTERM or SIGINT."""
    watch = ObservabilitySettings()
    configure(watch, service="context_store")
    traced = tracing(TracingSettings(), service="context_store", show_words=watch.show_words)
    with stop_on_signals() as stop:
        async with traced as tracer:
            await run(
                StoreSettings(), BusSettings(), ApiKeySettings(), stop, rate_settings=RateSettings(), tracer=tracer
            )


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(command(sys.argv[1:]))
    try:
        process.run(main())
    except ValidationError as error:
        print(f"context_store: {wrong_settings(error)}", file=sys.stderr)
        sys.exit(1)
    except (ConfigurationError, BotelError, OSError) as error:
        print(f"context_store: {error}", file=sys.stderr)
        sys.exit(1)
