"""Whose rooms the native stack uses, and what its processes are told."""

from pathlib import Path

import pytest

from deploy.livekit.binary import LiveKitBinary
from deploy.local.rooms import choose_rooms, plan_rooms, with_livekit
from deploy.local.services import LIVEKIT, SERVICES

THEIRS = {"LIVEKIT_URL": "wss://hotel.example", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s"}


@pytest.fixture
def with_server(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "livekit-server"
    program.write_text("#!/bin/sh\necho 'livekit-server version 1.13.5'\n")
    program.chmod(0o755)
    return {"BOTEL_LIVEKIT_SERVER": str(program)}


def test_a_server_that_is_named_is_used_and_none_is_started(with_server: dict[str, str], tmp_path: Path) -> None:
    rooms = plan_rooms(SERVICES, {**with_server, **THEIRS}, tmp_path / "var")

    assert rooms.services == SERVICES
    assert "wss://hotel.example" in rooms.told
    assert not (tmp_path / "var").exists()


def test_a_server_without_its_keys_is_none_and_one_is_told(with_server: dict[str, str], tmp_path: Path) -> None:
    rooms = plan_rooms(SERVICES, {**with_server, "LIVEKIT_URL": "wss://hotel.example"}, tmp_path)

    assert rooms.services == SERVICES
    assert rooms.told == "none: LIVEKIT_URL is set, LIVEKIT_API_KEY and LIVEKIT_API_SECRET not"


def test_a_machine_without_a_server_runs_as_before(tmp_path: Path) -> None:
    rooms = plan_rooms(SERVICES, {"HOME": str(tmp_path), "PATH": ""}, tmp_path)

    assert rooms.services == SERVICES
    assert rooms.told.startswith("none: ")
    assert "make livekit-server" in rooms.told


def test_a_stack_without_a_voice_gateway_needs_none(with_server: dict[str, str], tmp_path: Path) -> None:
    table = [service for service in SERVICES if service.name != "voice_gateway"]

    assert plan_rooms(table, with_server, tmp_path).services == table


def test_its_own_server_comes_first_and_only_gateways_get_the_secret(
    with_server: dict[str, str], tmp_path: Path
) -> None:
    assert choose_rooms(with_server).server
    table = {one.name: one for one in plan_rooms(SERVICES, with_server, tmp_path).services}

    secret = (tmp_path / "livekit.keys").read_text().strip().partition(": ")[2]
    assert {name for name, one in table.items() if secret in one.env.values()} == {"voice_gateway", "text_gateway"}
    assert not any(secret in part for one in table.values() for part in one.argv)
    assert table["voice_gateway"].env["LIVEKIT_URL"] == "ws://127.0.0.1:{livekit_port}"
    assert table[LIVEKIT].stage < min(one.stage for name, one in table.items() if name != LIVEKIT)
    assert table[LIVEKIT].argv[-2:] == ("--webhook", "http://127.0.0.1:{text_port}/llm/voice/webhook")


def test_the_keys_are_the_same_the_next_time(tmp_path: Path) -> None:
    server = LiveKitBinary("/opt/livekit-server", (1, 13, 5), "here")

    assert with_livekit(SERVICES, tmp_path, server) == with_livekit(SERVICES, tmp_path, server)
