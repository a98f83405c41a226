"""Where the stack that has been started is to be found: what `make up` ends with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from deploy.local.compose import LIVEKIT_PORT, LLM_PORT, OBSERVABILITY, VOICE
from deploy.local.ports import HOST
from deploy.local.services import LIVEKIT
from deploy.local.state import StackState, ports_of
from deploy.observe.beside import NAME as PROMETHEUS

PORTS = {"TEXT": 8080, "STORE": 8081, "REDIS": 6390, "GRAFANA": 3000, "PROMETHEUS": 9090, "ALERTMANAGER": 9093}
NATIVE = {"text_gateway": "text API", "context_store": "store", "voice_gateway": "audio door", LIVEKIT: "LiveKit"}
ALERTS = "its menu: Alerts; Status, Targets"
"""No addresses of pages: upstream has /alerts, Debian's package has /classic/alerts and nothing at /alerts."""


class Place(NamedTuple):
    what: str
    url: str
    about: str = ""


def compose_places(env: Mapping[str, str]) -> list[Place]:
    """Of the containers; `env` as docker-compose.yml was filled in with. ValueError for a port that is none."""
    ports = ports_of(env, PORTS)
    profiles = env.get("COMPOSE_PROFILES", "").split(",")
    llm = env.get("BOTEL_LLM_PORT") or str(LLM_PORT)
    places = [Place("text API", _http(ports["TEXT"]), "POST /llm/conversations/")]
    if llm == "0":
        places.append(Place("", "", "not on BotelLLM's port: BOTEL_LLM_PORT"))
    else:
        places.append(Place("", f"http://{HOST}" + ("" if llm == "80" else f":{llm}"), "the same, on BotelLLM's port"))
    places.append(Place("store", _http(ports["STORE"]), "GET /conversations/<id>/messages"))
    if VOICE in profiles:
        here = f"ws://{HOST}:{ports_of(env, {'LIVEKIT': LIVEKIT_PORT})['LIVEKIT']}"
        theirs = env.get("LIVEKIT_URL", "") if env.get("BOTEL_LIVEKIT_SERVERS") == "0" else ""
        places.append(Place("LiveKit", theirs or here, "make call"))
    if OBSERVABILITY in profiles:
        places.append(Place("Grafana", _http(ports["GRAFANA"])))
        places.append(Place("Prometheus", _http(ports["PROMETHEUS"]), ALERTS))
        told = env.get("BOTEL_ALERTMANAGER_CONFIG") or "tells nobody: BOTEL_ALERTMANAGER_CONFIG"
        places.append(Place("Alertmanager", _http(ports["ALERTMANAGER"]), told))
    places.append(Place("Redis", f"redis://{HOST}:{ports['REDIS']}/0", "make lag, make tail"))
    return places


def native_places(state: StackState, env: Mapping[str, str]) -> list[Place]:
    """Of the native stack: what it runs, and what it does not."""
    about = {"text_gateway": "POST /llm/conversations/", "context_store": "GET /conversations/<id>/messages"}
    ports = {row["name"]: row["port"] for row in state["rows"]}
    places = [
        Place(what, f"ws://{HOST}:{ports[name]}" if name == LIVEKIT else _http(ports[name]), about.get(name, ""))
        for name, what in NATIVE.items()
        if name in ports
    ]
    if LIVEKIT not in ports:
        places.append(Place("LiveKit", env.get("LIVEKIT_URL") or "-", state["rooms"]))
    if "redis" in ports:
        places.append(Place("Redis", f"redis://{HOST}:{ports['redis']}/0", "make lag, make tail"))
    if PROMETHEUS in ports:
        places.append(Place("Prometheus", _http(ports[PROMETHEUS]), ALERTS))
    else:
        places.append(Place("Prometheus", "-", state["prometheus"]))
    places.append(Place("metrics", "/metrics of each", "Grafana, Alertmanager: with Docker Compose"))
    return places


def told(places: list[Place]) -> str:
    """For people: one line per place."""
    return "\n".join(f"{place.what:<14}{place.url:<28}{place.about}".rstrip() for place in places)


def _http(port: int) -> str:
    return f"http://{HOST}:{port}"
