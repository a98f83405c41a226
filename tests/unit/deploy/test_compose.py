"""Promises of docker-compose.yml that a schema does not check."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.livekit.binary import VERSION
from deploy.local.env import PRIVATE
from deploy.local.services import BRAIN, SERVICES
from libs.observability.release import RELEASE

COMPOSE: dict[str, Any] = yaml.safe_load(Path("docker-compose.yml").read_text())
STACK: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {service.name for service in SERVICES}
FOREIGN = {"redis", "postgres", "livekit", "prometheus", "alertmanager", "grafana"}
PYPROJECT = Path("pyproject.toml").read_text()


def default_of(text: str) -> str:
    """What a variable with a default stands for, `${NAME:-this}`; the text itself when it is none."""
    return re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", text)


def livekit_config() -> dict[str, Any]:
    """Filled in with the defaults."""
    text = re.sub(r"\$\{\w+:-(\w*)\}", r"\1", STACK["livekit"]["environment"]["LIVEKIT_CONFIG"])
    config: dict[str, Any] = yaml.safe_load(text)
    return config


def test_it_runs_what_the_native_stack_runs_and_what_shows_it() -> None:
    assert set(STACK) == OURS | FOREIGN


@pytest.mark.parametrize("name", sorted(STACK))
def test_ports_are_of_loopback_only(name: str) -> None:
    assert all(str(port).startswith("127.0.0.1:") for port in STACK[name].get("ports", []))


@pytest.mark.parametrize("name", sorted(STACK))
def test_a_container_is_confined_limited_and_asked_how_it_is(name: str) -> None:
    service = STACK[name]

    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in service["tmpfs"]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert {"memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
    assert service["logging"]["options"]["max-file"]
    assert service["logging"]["options"]["max-size"]
    assert service["stop_grace_period"]
    assert "container_name" not in service
    assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service)


def test_brains_can_be_many() -> None:
    brain = STACK[BRAIN]

    assert "ports" not in brain
    assert brain["deploy"]["replicas"] == "${BRAINS:-2}"


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_service_is_built_with_an_extra_that_exists_and_runs_confined(name: str) -> None:
    service = STACK[name]
    arguments = service["build"]["args"]

    assert arguments["SERVICE"] == name
    extras = default_of(arguments["EXTRAS"]).split()
    assert extras
    assert all(re.search(rf"(?m)^{extra} = \[", PYPROJECT) for extra in extras)
    assert Path(service["build"]["dockerfile"]).exists()
    assert service["env_file"] == [{"path": ".env", "required": False}]
    assert service["healthcheck"]["test"][:4] == ["CMD", "python", "-m", "libs.observability.probe"]


def test_a_service_is_stopped_later_than_it_drains() -> None:
    grace = {name: int(STACK[name]["stop_grace_period"].removesuffix("s")) for name in OURS}

    assert all(grace[service.name] >= service.grace_s for service in SERVICES)


def test_redis_keeps_what_it_is_told_and_never_evicts() -> None:
    command = " ".join(STACK["redis"]["command"])

    assert "--appendonly yes" in command
    assert "--appendfsync everysec" in command
    assert "--maxmemory-policy noeviction" in command
    assert "--maxmemory ${BOTEL_REDIS_MAXMEMORY:-" in command
    assert "redis:/data" in STACK["redis"]["volumes"]


def test_no_container_gets_the_development_key_itself() -> None:
    assert all(STACK[name]["environment"]["BOTEL_API_KEY"] == "" for name in OURS)


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_foreign_images_are_pinned_to_the_last_digit(name: str) -> None:
    digits = 2 if name == "postgres" else 3  # PostgreSQL has no third since version 10

    assert re.search(rf":v?\d+(\.\d+){{{digits - 1}}}(-\w+)?$", default_of(STACK[name]["image"]))


def test_bases_are_pinned_and_the_same_in_both_files() -> None:
    dockerfile = Path("deploy/docker/Dockerfile").read_text()
    bases = dict(re.findall(r"(?m)^ARG (\w+_IMAGE)=(\S+)$", dockerfile))

    assert set(bases) == {"PYTHON_IMAGE", "UV_IMAGE"}
    assert all(re.search(r":\d+\.\d+\.\d+(-[\w-]+)?$", image) for image in bases.values())
    for name in OURS:
        arguments = STACK[name]["build"]["args"]
        assert {base: default_of(arguments[base]) for base in bases} == bases
        assert default_of(arguments["VERSION"]) == RELEASE
        assert STACK[name]["image"] == f"botel-{name.replace('_', '-')}:${{BOTEL_VERSION:-{RELEASE}}}"


def test_a_change_of_code_does_not_install_dependencies_again() -> None:
    dockerfile = Path("deploy/docker/Dockerfile").read_text()
    build = dockerfile[dockerfile.index(" AS build") : dockerfile.rindex("FROM ")]

    assert "uv sync" in build
    assert set(re.findall(r"type=bind,source=(\S+?),", build)) == {"uv.lock", "pyproject.toml"}
    assert re.findall(r"(?m)^COPY (.*)$", build) == ["--from=uv /uv /usr/local/bin/uv"]


def test_images_are_built_from_four_things_and_no_file_of_settings() -> None:
    kept = [line for line in Path(".dockerignore").read_text().splitlines() if not line.startswith("**/")]

    assert kept == ["*", "!pyproject.toml", "!uv.lock", "!libs", "!services"]


def test_profiles_are_whole_and_text_needs_none() -> None:
    profiles = {name: service.get("profiles", []) for name, service in STACK.items()}

    assert {name for name, chosen in profiles.items() if chosen == ["voice"]} == {"livekit", "voice_gateway"}
    observing = {"prometheus", "alertmanager", "grafana"}
    assert {name for name, chosen in profiles.items() if chosen == ["observability"]} == observing
    assert {name for name, chosen in profiles.items() if not chosen} == STACK.keys() - observing - {
        "livekit",
        "voice_gateway",
    }
    # One without a profile that waits for one with a profile would not start without it.
    assert not any(
        profiles[needed] for name in STACK if not profiles[name] for needed in STACK[name].get("depends_on", [])
    )


def test_the_text_gateway_is_on_botelllms_port_too_and_listens_on_none_that_needs_root() -> None:
    text = STACK["text_gateway"]

    assert "127.0.0.1:${BOTEL_LLM_PORT:-80}:8080" in text["ports"]
    assert text["environment"]["BOTEL_TEXT_PORT"] == "8080"


def test_the_store_is_on_postgres_and_nobody_else_has_its_password() -> None:
    holders = {name for name, service in STACK.items() if "${BOTEL_POSTGRES_PASSWORD" in str(service)}

    assert holders == {"postgres", "context_store"}
    url = STACK["context_store"]["environment"]["BOTEL_STORE_DATABASE_URL"]
    postgres = STACK["postgres"]["environment"]
    assert f"@postgres:5432/{postgres['POSTGRES_DB']}" in url
    assert f"postgresql+asyncpg://{postgres['POSTGRES_USER']}:${{BOTEL_POSTGRES_PASSWORD}}@" in url
    assert STACK["context_store"]["depends_on"]["postgres"] == {"condition": "service_healthy"}
    assert STACK["postgres"]["volumes"] == [f"postgres:{postgres['PGDATA']}"]
    assert "ports" not in STACK["postgres"]
    withheld = {"BOTEL_API_KEY", "BOTEL_POSTGRES_PASSWORD", "BOTEL_STORE_DATABASE_URL"}
    assert all(STACK[name]["environment"][one] == "" for name in OURS - {"context_store"} for one in withheld)


def test_rooms_are_an_addition_of_the_version_that_is_built_here() -> None:
    livekit = STACK["livekit"]
    config = livekit_config()

    assert livekit["image"].endswith(f":v{VERSION}}}")
    assert config["rtc"]["node_ip"] == "127.0.0.1"
    media = "${BOTEL_LIVEKIT_UDP_PORT:-7882}"
    assert f"udp_port: {media}," in livekit["environment"]["LIVEKIT_CONFIG"]
    assert f"127.0.0.1:{media}:{media}/udp" in livekit["ports"], "announced as it is, so the same on both sides"
    assert not any("livekit" in STACK[name].get("depends_on", {}) for name in OURS)


def test_gateways_are_told_of_rooms_and_nobody_else() -> None:
    told = {name for name in OURS if "LIVEKIT_API_SECRET" in STACK[name]["environment"]}

    assert told == {"voice_gateway", "text_gateway"}
    config = livekit_config()
    assert config["webhook"]["urls"] == ["http://text_gateway:8080/llm/voice/webhook"]


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
