"""Keys, configuration and lookup of a LiveKit server."""

import json
import stat
from pathlib import Path

import pytest

from deploy.livekit.binary import NoLiveKit, cache_path, find_go, find_livekit
from deploy.livekit.config import RoomKeys, kept_keys, loopback_config, new_keys
from tests.servers.livekit import why_no_server
from tests.suites import ALLOWED_SKIPS


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def env_of(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "bin")}


def test_keys_are_made_once_and_are_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "livekit.keys"

    first, second = kept_keys(path), kept_keys(path)

    assert first == second
    assert len(first.secret) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert new_keys() != first


def test_a_file_of_keys_that_was_spoilt_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "livekit.keys"
    path.write_text("key: short\n")
    path.chmod(0o644)

    assert len(kept_keys(path).secret) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_configuration_names_loopback_only() -> None:
    config = json.loads(loopback_config(RoomKeys("k", "s" * 32), port=1, udp_port=2, webhooks=["http://127.0.0.1:3/w"]))

    assert config["bind_addresses"] == [config["rtc"]["node_ip"]] == ["127.0.0.1"]
    assert config["rtc"]["tcp_port"] == 0
    assert config["rtc"]["use_external_ip"] is False
    assert config["webhook"] == {"api_key": "k", "urls": ["http://127.0.0.1:3/w"]}


def test_what_make_built_comes_before_what_is_on_path(tmp_path: Path) -> None:
    env = env_of(tmp_path)
    on_path = program(tmp_path / "bin/livekit-server", "livekit-server version 1.9.0")

    assert find_livekit(env).path == str(on_path)
    built = program(cache_path(env), "livekit-server version 1.13.5")
    assert find_livekit(env).path == str(built)
    assert find_livekit(env).version == (1, 13, 5)


def test_a_server_that_is_named_is_the_only_one(tmp_path: Path) -> None:
    env = env_of(tmp_path)
    program(cache_path(env), "livekit-server version 1.13.5")

    with pytest.raises(NoLiveKit, match="/nowhere does not run"):
        find_livekit({**env, "BOTEL_LIVEKIT_SERVER": "/nowhere"})
    with pytest.raises(NoLiveKit, match="off"):
        find_livekit({**env, "BOTEL_LIVEKIT_SERVER": "off"})


def test_without_a_server_one_is_told_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(NoLiveKit, match="make livekit-server"):
        find_livekit(env_of(tmp_path))


def test_an_old_go_is_none(tmp_path: Path) -> None:
    env = env_of(tmp_path)
    assert find_go(env) == ""
    go = program(tmp_path / "bin/go", "go version go1.19.8 linux/amd64")
    assert find_go(env) == ""
    program(go, "go version go1.26.0 linux/amd64")
    assert find_go(env) == str(go)


def test_ci_skips_room_tests_only_where_no_server_could_be_built() -> None:
    assert why_no_server("none", go="").startswith(ALLOWED_SKIPS)
    assert not why_no_server("none", go="/usr/bin/go").startswith(ALLOWED_SKIPS)
