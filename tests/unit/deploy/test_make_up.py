"""What `make up` fills docker-compose.yml in with, and where it says that the stack is."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.livekit.config import RoomKeys
from deploy.local import compose
from deploy.local.compose import Kept, compose_env, kept, unseen_by_containers, without_taken_port
from deploy.local.ports import HOST, answers
from deploy.local.state import RowState, StackState
from deploy.local.urls import Place, compose_places, native_places, told

KEYS = Kept(RoomKeys("k", "s"), "p")


def places(env: dict[str, str]) -> dict[str, str]:
    return {place.what: place.url for place in compose_places(env) if place.what}


def test_rooms_come_with_keys_of_their_own() -> None:
    env = compose_env({"BOTEL_LIVEKIT_PORT": "7999"}, KEYS)

    assert env["COMPOSE_PROFILES"] == "voice,observability"
    assert (env["LIVEKIT_API_KEY"], env["LIVEKIT_API_SECRET"]) == ("k", "s")
    assert env["LIVEKIT_URL"] == "ws://livekit:7880"
    assert env["LIVEKIT_PUBLIC_URL"] == "ws://127.0.0.1:7999"
    assert "BOTEL_LIVEKIT_SERVERS" not in env


def test_rooms_that_are_named_are_left_as_they_are_and_no_server_runs_here() -> None:
    env = compose_env({"LIVEKIT_URL": "wss://hotel.example"}, KEYS)

    assert env["COMPOSE_PROFILES"] == "voice,observability"
    assert env["BOTEL_LIVEKIT_SERVERS"] == "0"
    assert env["LIVEKIT_URL"] == "wss://hotel.example"
    assert "LIVEKIT_API_SECRET" not in env


def test_without_rooms_nobody_waits_for_calls() -> None:
    env = compose_env({"BOTEL_LIVEKIT_SERVER": "off"}, KEYS)

    assert env["COMPOSE_PROFILES"] == "observability"
    assert "LIVEKIT_API_SECRET" not in env


@pytest.mark.parametrize("theirs", ["", "voice", "mine,observability"])
def test_profiles_that_are_named_are_all(theirs: str) -> None:
    assert compose_env({"COMPOSE_PROFILES": theirs}, KEYS)["COMPOSE_PROFILES"] == theirs


def test_a_password_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = kept(tmp_path / "var")
    [file] = (tmp_path / "var").glob("postgres*")

    assert kept(tmp_path / "var") == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(first.postgres) >= 32
    assert compose_env({}, first)["BOTEL_POSTGRES_PASSWORD"] == first.postgres
    assert kept(tmp_path / "other").postgres != first.postgres


def test_a_password_that_is_set_is_used() -> None:
    assert compose_env({"BOTEL_POSTGRES_PASSWORD": "theirs"}, KEYS)["BOTEL_POSTGRES_PASSWORD"] == "theirs"


def test_what_containers_do_not_get_of_the_environment_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text("  BOTEL_API_KEYS: ${BOTEL_API_KEYS:?}\n  OTEL_TRACES_SAMPLER:\n")
    named = {"BOTEL_API_KEYS": "a:b", "OTEL_TRACES_SAMPLER": "always_on"}
    theirs = {"BRAIN_MODEL": "openai", "OPENAI_API_KEY": "sk-1", "DEEPGRAM_API_KEY": "", "ELEVENLABS_API_KEY": ""}
    others = {"PATH": "/bin", "BOTEL_STACK": "native", "BOTEL_VAR": "/var/lib/botel", "BOTEL_TEST_REDIS": "valkey"}

    told = unseen_by_containers(
        tmp_path, {**named, **theirs, **others}, {"BRAIN_MODEL": "openai", "ELEVENLABS_API_KEY": "theirs"}
    )

    assert told == ["ELEVENLABS_API_KEY", "OPENAI_API_KEY"], "an empty one in the environment is one that is not used"


def test_the_project_s_compose_file_is_looked_at() -> None:
    given = {
        "BOTEL_POSTGRES_PASSWORD": "x",
        "BOTEL_BUS_SHARDS": "2",
        "BOTEL_LOG_FORMAT": "text",
        "OTEL_TRACES_SAMPLER": "x",
    }
    assert unseen_by_containers(Path(), given, {}) == ["BOTEL_BUS_SHARDS", "BOTEL_LOG_FORMAT"]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Somebody else's server on what stands for BotelLLM's port here."""
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
        monkeypatch.setattr(compose, "LLM_PORT", port)
        yield port


def test_a_port_that_somebody_else_has_is_left_to_them(taken: int) -> None:
    assert answers(taken)
    assert without_taken_port({}, ours=False)["BOTEL_LLM_PORT"] == "0"


def test_a_port_that_is_free_named_or_ours_is_used(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert without_taken_port({"BOTEL_LLM_PORT": "81"}, ours=False) == {"BOTEL_LLM_PORT": "81"}
    assert without_taken_port({}, ours=True) == {}
    with socket.socket() as nobody:  # bound, and not listening
        nobody.bind((HOST, 0))
        monkeypatch.setattr(compose, "LLM_PORT", nobody.getsockname()[1])
        assert without_taken_port({}, ours=False) == {}


def test_every_place_of_the_containers_is_told() -> None:
    assert places(compose_env({"BOTEL_GRAFANA_PORT": "3001"}, KEYS)) == {
        "text API": "http://127.0.0.1:8080",
        "store": "http://127.0.0.1:8081",
        "LiveKit": "ws://127.0.0.1:7880",
        "Grafana": "http://127.0.0.1:3001",
        "Prometheus": "http://127.0.0.1:9090",
        "Alertmanager": "http://127.0.0.1:9093",
        "Redis": "redis://127.0.0.1:6390/0",
    }


def test_what_is_not_there_is_not_told() -> None:
    text_only = places(compose_env({"COMPOSE_PROFILES": ""}, KEYS))

    assert set(text_only) == {"text API", "store", "Redis"}
    assert places(compose_env({"LIVEKIT_URL": "wss://hotel.example"}, KEYS))["LiveKit"] == "wss://hotel.example"


@pytest.mark.parametrize(
    ("port", "line"),
    [("", "http://127.0.0.1 "), ("8000", "http://127.0.0.1:8000 "), ("0", "not on BotelLLM's port")],
)
def test_botelllms_port_is_told_as_it_is(port: str, line: str) -> None:
    lines = told(compose_places(compose_env({"BOTEL_LLM_PORT": port}, KEYS))).splitlines()

    assert line in lines[1]


def row(name: str, port: int) -> RowState:
    return RowState(name=name, state="ready", pid=1, port=port, deaths=0)


def test_natively_what_runs_is_told_and_what_does_not_as_well() -> None:
    rows = [row("redis", 6390), row("context_store", 8081), row("brain-1", 40001), row("text_gateway", 8080)]
    state = StackState(
        pid=1, ready=True, redis="", rooms="none: off", prometheus="none: off", text_url="", rows=rows, error=""
    )

    found = native_places(state, {})

    assert Place("text API", "http://127.0.0.1:8080", "POST /llm/conversations/") in found
    assert Place("LiveKit", "-", "none: off") in found
    assert Place("Prometheus", "-", "none: off") in found
    assert "Docker Compose" in found[-1].about
    more = native_places({**state, "rows": [*rows, row("livekit", 7880), row("prometheus", 9090)]}, {})
    assert Place("LiveKit", "ws://127.0.0.1:7880") in more
    assert Place("Prometheus", "http://127.0.0.1:9090", "its menu: Alerts; Status, Targets") in more
