"""A dashboard is captured from a Prometheus and drawn; what it has nothing of is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from deploy.observe.capture import capture, read_capture, without_data, write_capture
from deploy.observe.client import PrometheusClient
from deploy.observe.draw import draw
from deploy.observe.panels import read_dashboard
from deploy.observe.style import BLUE

PLACES: list[dict[str, Any]] = [
    {"type": "row", "title": "Lag", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 1}},
    {"type": "stat", "title": "Waiting", "gridPos": {"x": 0, "y": 1, "w": 6, "h": 4}, "targets": [{"expr": "waiting"}]},
    {
        "type": "timeseries",
        "title": "Ages",
        "gridPos": {"x": 6, "y": 1, "w": 18, "h": 8},
        "targets": [{"expr": "ages"}],
    },
    {
        "type": "timeseries",
        "title": "None",
        "gridPos": {"x": 0, "y": 9, "w": 24, "h": 6},
        "targets": [{"expr": "none"}],
    },
]
SERIES = {"waiting": [[100, "1"], [105, "NaN"], [110, "3"]], "ages": [[100, "0.5"], [110, "9"]]}


async def query_range(request: web.Request) -> web.Response:
    values = SERIES.get(request.query["query"])
    result = [{"metric": {"group": "brain"}, "values": values}] if values else []
    return web.json_response({"status": "success", "data": {"resultType": "matrix", "result": result}})


async def test_what_prometheus_answers_is_kept_and_drawn(tmp_path: Path) -> None:
    board = tmp_path / "board.json"
    board.write_text(json.dumps({"title": "Bus", "panels": PLACES}))
    app = web.Application()
    app.router.add_get("/api/v1/query_range", query_range)

    async with TestServer(app) as server, PrometheusClient(str(server.make_url("/"))) as prometheus:
        found = await capture(prometheus, read_dashboard(board), 100.0, 160.0)

    write_capture(found, tmp_path / "data" / "board.json")
    kept = read_capture(tmp_path / "data" / "board.json")
    assert kept == found
    assert without_data(kept) == ["None"]
    [curve] = kept.panels[1].curves
    assert (curve.legend, curve.times, curve.values) == ("group brain", [0, 10], [1, 3])

    draw(kept, tmp_path / "all.png", about="a test")
    draw(kept, tmp_path / "top.png", about="a test", units=9)
    whole, top = imread(tmp_path / "all.png"), imread(tmp_path / "top.png")
    assert whole.shape[1] == top.shape[1]
    assert whole.shape[0] > top.shape[0]
    assert pixels_of(BLUE, top) > 100  # the line; the number has a colour of its own
    assert pixels_of(BLUE, whole) == pixels_of(BLUE, top)


def pixels_of(colour: str, picture: Any) -> int:
    return int((abs(picture[..., :3] - to_rgb(colour)).max(axis=-1) < 0.02).sum())
