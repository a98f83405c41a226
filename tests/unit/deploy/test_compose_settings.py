"""Every name in docker-compose.yml means something: variables to whoever starts it, settings to whoever reads them."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import opentelemetry.environment_variables
import opentelemetry.sdk.environment_variables
import pytest
import yaml
from pydantic_settings import BaseSettings

from deploy.livekit.config import RoomKeys
from deploy.local.compose import Kept, compose_env
from deploy.local.services import SERVICES

TEXT = Path("docker-compose.yml").read_text()
STACK: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
OURS = sorted(service.name for service in SERVICES)
_VARIABLE = re.compile(r"\$\{(\w+)(:-|:\?|\})")
OPEN_TELEMETRY = {
    value
    for module in (opentelemetry.environment_variables, opentelemetry.sdk.environment_variables)
    for name, value in vars(module).items()
    if name.startswith("OTEL_")
}


def settings_of(service: str) -> set[str]:
    """Names of the environment that the service's settings read: those that its modules define or import."""
    importlib.import_module(f"services.{service}.__main__")
    modules = [module for name, module in sys.modules.items() if name.startswith(f"services.{service}.")]
    classes = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    found = {one for one in classes if issubclass(one, BaseSettings) and one is not BaseSettings}
    return {name.upper() for one in found for name in names_of(one)}


def names_of(settings: type[BaseSettings]) -> set[str]:
    prefix = settings.model_config.get("env_prefix", "")
    fields = settings.model_fields.items()
    return {str(field.validation_alias) if field.validation_alias else prefix + name for name, field in fields}


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_told_nothing_that_it_does_not_read(name: str) -> None:
    environment = STACK[name]["environment"]
    # An empty value is for what .env may hold and this service is not to have.
    told = {key for key, value in environment.items() if value != ""}

    assert told - settings_of(name) - OPEN_TELEMETRY == set()


def test_a_setting_that_nobody_reads_would_be_found() -> None:
    assert "BOTEL_STORE_PORT" in settings_of("context_store")
    assert "BOTEL_STORE_POTR" not in settings_of("context_store")
    assert "BOTEL_API_KEYS" not in settings_of("brain")


def test_a_variable_has_a_default_or_is_one_that_make_up_sets() -> None:
    uses: dict[str, set[str]] = {}
    for name, how in _VARIABLE.findall(TEXT):
        uses.setdefault(name, set()).add(how)
    required = {name for name, how in uses.items() if ":-" not in how}

    assert all(":?" in uses[name] for name in required), "said, not found out"
    assert {name for name, how in uses.items() if {":-", ":?"} <= how} == set()
    made = compose_env({"BOTEL_API_KEY": "dev-key"}, Kept(RoomKeys("k", "s"), "password"))
    redis = {"BOTEL_REDIS_USERS", *(f"BOTEL_REDIS_URL_{name.upper()}" for name in OURS)}
    assert required == {"BOTEL_API_KEYS", "BOTEL_POSTGRES_PASSWORD", *redis}
    assert all(made[name] for name in required)
    assert re.search(r"\$[A-Z]", TEXT) is None, "every variable in braces: the others are not seen here"


def test_a_variable_is_one_that_people_are_told_of() -> None:
    told = Path(".env.example").read_text() + Path("docs/images.md").read_text() + Path("README.md").read_text()
    made = compose_env({"BOTEL_API_KEY": "dev-key"}, Kept(RoomKeys("k", "s"), "password"))
    variables = {name for name, _ in _VARIABLE.findall(TEXT)} - made.keys()

    assert {name for name in variables if not re.search(rf"\b{name}\b", told)} == set()


@pytest.mark.parametrize("name", sorted(STACK))
def test_what_is_mounted_from_here_is_here(name: str) -> None:
    mounts = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume) for volume in STACK[name].get("volumes", [])]
    volumes = yaml.safe_load(TEXT)["volumes"]

    for source in (mount.partition(":")[0] for mount in mounts):
        assert Path(source).exists() if source.startswith("./") else source in volumes


def test_what_grafana_is_told_of_is_where_it_looks() -> None:
    grafana = STACK["grafana"]
    here = {target: source for source, target, *_ in (volume.split(":") for volume in grafana["volumes"])}
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    provisioning = Path(here["/etc/grafana/provisioning"])
    boards = [
        provider["options"]["path"]
        for file in (provisioning / "dashboards").glob("*.yaml")
        for provider in yaml.safe_load(file.read_text())["providers"]
    ]
    sources = [
        source["url"]
        for file in (provisioning / "datasources").glob("*.yaml")
        for source in yaml.safe_load(file.read_text())["datasources"]
    ]

    assert (Path(here[str(home.parent)]) / home.name).exists()
    assert boards
    assert all(list(Path(here[path]).glob("*.json")) for path in boards)
    assert sources == ["http://prometheus:9090"]


def test_alerts_go_to_the_alertmanager_that_is_there() -> None:
    config = yaml.safe_load(Path("deploy/prometheus/prometheus.yml").read_text())
    [manager] = config["alerting"]["alertmanagers"]
    [group] = manager["static_configs"]

    assert group["targets"] == ["alertmanager:9093"]
    assert "alertmanager" in STACK


@pytest.mark.parametrize(("file", "leaves"), [("alertmanager", 0), ("webhook", 1)])
def test_nothing_leaves_the_machine_unless_a_receiver_is_chosen(file: str, leaves: int) -> None:
    config = yaml.safe_load(Path(f"deploy/alertmanager/{file}.yml").read_text())
    integrations = [kind for receiver in config["receivers"] for kind in receiver if kind != "name"]

    assert len(integrations) == leaves
    assert config["route"]["receiver"] in {receiver["name"] for receiver in config["receivers"]}
