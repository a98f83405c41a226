"""Promises of docker-compose.yml that a schema does not check."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.livekit.binary import VERSION
from deploy.livekit.config import RoomKeys
from deploy.local.compose import compose_env
from deploy.local.env import PRIVATE
from deploy.local.services import BRAIN, SERVICES

COMPOSE: dict[str, Any] = yaml.safe_load(Path("docker-compose.yml").read_text())
STACK: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {service.name for service in SERVICES}
PYPROJECT = Path("pyproject.toml").read_text()


def test_it_runs_what_the_native_stack_runs_and_what_shows_it() -> None:
    assert set(STACK) == OURS | {"redis", "prometheus", "grafana", "livekit"}


@pytest.mark.parametrize("name", sorted(STACK))
def test_ports_are_of_loopback_only(name: str) -> None:
    assert all(str(port).startswith("127.0.0.1:") for port in STACK[name].get("ports", []))


def test_brains_can_be_many() -> None:
    brain = STACK[BRAIN]

    assert "container_name" not in brain
    assert "ports" not in brain
    assert brain["deploy"]["replicas"] == "${BRAINS:-2}"


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_service_is_built_with_an_extra_that_exists_and_runs_confined(name: str) -> None:
    service = STACK[name]
    arguments = service["build"]["args"]

    assert arguments["SERVICE"] == name
    extras = re.sub(r"\$\{\w+:-(.*)\}", r"\1", arguments["EXTRAS"]).split()  # the default of a variable
    assert extras
    assert all(re.search(rf"(?m)^{extra} = \[", PYPROJECT) for extra in extras)
    assert Path(service["build"]["dockerfile"]).exists()
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["env_file"] == [{"path": ".env", "required": False}]
    assert service["healthcheck"]["test"][:4] == ["CMD", "python", "-m", "libs.observability.probe"]


def test_a_service_is_stopped_later_than_it_drains() -> None:
    grace = {name: int(STACK[name]["stop_grace_period"].removesuffix("s")) for name in OURS}

    assert all(grace[service.name] >= service.grace_s for service in SERVICES)


def test_redis_keeps_what_it_is_told_and_never_evicts() -> None:
    command = " ".join(STACK["redis"]["command"])

    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert "redis:/data" in STACK["redis"]["volumes"]


def test_no_container_gets_the_development_key_itself() -> None:
    assert all(STACK[name]["environment"]["BOTEL_API_KEY"] == "" for name in OURS)


@pytest.mark.parametrize("name", ["redis", "prometheus", "grafana", "livekit"])
def test_foreign_images_are_pinned(name: str) -> None:
    image = STACK[name]["image"].removesuffix("}").rpartition(":-")[2]

    assert re.search(r":v?\d+\.\d+", image)


def test_rooms_are_an_addition_of_the_version_that_is_built_here() -> None:
    livekit = STACK["livekit"]
    config = yaml.safe_load(livekit["environment"]["LIVEKIT_CONFIG"])

    assert livekit["profiles"] == ["rooms"]
    assert livekit["image"].endswith(f":v{VERSION}}}")
    assert config["rtc"]["node_ip"] == "127.0.0.1"
    assert f"127.0.0.1:{config['rtc']['udp_port']}:{config['rtc']['udp_port']}/udp" in livekit["ports"]
    assert not any("livekit" in STACK[name].get("depends_on", {}) for name in OURS)


def test_gateways_are_told_of_rooms_and_nobody_else() -> None:
    told = {name for name in OURS if "LIVEKIT_API_SECRET" in STACK[name]["environment"]}

    assert told == {"voice_gateway", "text_gateway"}
    config = yaml.safe_load(STACK["livekit"]["environment"]["LIVEKIT_CONFIG"])
    assert config["webhook"]["urls"] == ["http://text_gateway:8080/llm/voice/webhook"]


def test_make_up_adds_rooms_with_keys_of_its_own() -> None:
    env = compose_env({"BOTEL_LIVEKIT_PORT": "7999"}, RoomKeys("k", "s"))

    assert env["COMPOSE_PROFILES"] == "rooms"
    assert (env["LIVEKIT_API_KEY"], env["LIVEKIT_API_SECRET"]) == ("k", "s")
    assert env["LIVEKIT_URL"] == "ws://livekit:7880"
    assert env["LIVEKIT_PUBLIC_URL"] == "ws://127.0.0.1:7999"


@pytest.mark.parametrize("theirs", [{"LIVEKIT_URL": "wss://hotel.example"}, {"BOTEL_LIVEKIT_SERVER": "off"}])
def test_make_up_leaves_rooms_that_are_named_as_they_are(theirs: dict[str, str]) -> None:
    env = compose_env(theirs, RoomKeys("k", "s"))

    assert "COMPOSE_PROFILES" not in env
    assert env.get("LIVEKIT_URL") == theirs.get("LIVEKIT_URL")
    assert "LIVEKIT_API_SECRET" not in env


def test_what_ends_containers_means_those_of_rooms_too() -> None:
    assert compose_env({"COMPOSE_PROFILES": "mine"})["COMPOSE_PROFILES"] == "mine,rooms"


def test_prometheus_asks_every_service_that_is_there() -> None:
    config = yaml.safe_load(Path("deploy/prometheus/prometheus.yml").read_text())

    assert {job["job_name"] for job in config["scrape_configs"]} == OURS
    for job in config["scrape_configs"]:
        hosts = [target.partition(":")[0] for one in job.get("static_configs", []) for target in one["targets"]]
        hosts += [host for one in job.get("dns_sd_configs", []) for host in one["names"]]
        assert hosts == [job["job_name"]]


def test_the_example_of_settings_names_what_people_need_and_no_value_of_a_secret() -> None:
    text = Path(".env.example").read_text()
    lines = {match[1]: match[2] for match in re.finditer(r"(?m)^#?([A-Z][A-Z_]+)=(.*)$", text)}

    assert {
        "BRAIN_MODEL",
        "BRAIN_AGENT",
        "BOTEL_STT",
        "BOTEL_TTS",
        "BOTEL_API_KEY",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "AZURE_OPENAI_API_KEY",
        "AZURE_OPENAI_ENDPOINT",
        "DEEPGRAM_API_KEY",
        "ELEVENLABS_API_KEY",
        "LIVEKIT_URL",
        "LIVEKIT_API_KEY",
        "LIVEKIT_API_SECRET",
        "LIVEKIT_PUBLIC_URL",
        "BOTEL_LIVEKIT_SERVER",
        "BOTEL_LIVEKIT_PORT",
        "LANGSMITH_API_KEY",
        "REDIS_URL",
    } <= set(lines)
    assert all(not value for name, value in lines.items() if name.endswith(("KEY", "KEYS", "SECRET")))
    # What the launcher keeps from tests and from the demo are exactly these families.
    assert all(name.startswith((*PRIVATE, "REDIS_")) for name in lines)
