"""A FastAPI application with what every service of ours has around its routes."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from libs.web.api_keys import ApiKeys
from libs.web.body_limit import BodyLimit
from libs.web.problems import install_problems
from libs.web.rates import Rates
from libs.web.scope import RequestScope, RequestWatcher


def new_application(
    title: str,
    *,
    api_keys: ApiKeys,
    max_body_bytes: int,
    watcher: RequestWatcher | None = None,
    operator_routes: Sequence[BaseRoute] = (),
    rates: Rates | None = None,
) -> FastAPI:
    """Request ids, problems, body limit, keys; no documentation pages, which would load scripts from elsewhere.

    `operator_routes` (health, metrics, lag) take no key: put them where only operators reach. Without
    `rates` no key asks too often.
    """
    app = FastAPI(
        title=title,
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(RequestScope, watcher), Middleware(BodyLimit, max_body_bytes)],
    )
    install_problems(app)
    app.state.api_keys = api_keys
    app.state.rates = rates
    app.router.routes.extend(operator_routes)
    return app
