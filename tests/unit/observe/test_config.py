"""The native Prometheus has the shipped jobs, rules and intervals; only the addresses are its own."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from deploy.local.process import State
from deploy.local.services import SERVICES
from deploy.local.stack import Row
from deploy.observe.beside import PROMETHEUS, plan_prometheus, tell, with_prometheus
from deploy.observe.binary import NoPrometheus, PrometheusBinary, find_prometheus
from deploy.observe.config import jobs, native_config, rule_digests, rule_files, shipped, write_config
from deploy.observe.targets import write_targets

BINARY = PrometheusBinary("/opt/prometheus", (2, 42, 0), "here")


def program(path: Path, says: str, stream: str = "1") -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}' >&{stream}\n")
    path.chmod(0o755)
    return path


def row(name: str, port: int) -> Row:
    return Row(name, State.READY, 1, port, 0)


def told(directory: Path, job: str) -> list[dict[str, object]]:
    loaded: list[dict[str, object]] = json.loads((directory / "targets" / f"{job}.json").read_text())
    return loaded


@pytest.mark.parametrize("stream", ["1", "2"])
def test_the_one_on_path_is_found(tmp_path: Path, stream: str) -> None:
    program(tmp_path / "prometheus", "prometheus, version 2.42.0+ds (branch: debian/sid)", stream)

    found = find_prometheus({"PATH": str(tmp_path)})

    assert found == PrometheusBinary(str(tmp_path / "prometheus"), (2, 42, 0), "on PATH")
    assert str(found) == "prometheus 2.42.0 (on PATH)"


def test_one_that_is_named_comes_first(tmp_path: Path) -> None:
    mine = program(tmp_path / "mine", "prometheus, version 3.5.0 (branch: HEAD)")

    assert find_prometheus({"PATH": "", "BOTEL_PROMETHEUS": str(mine)}).version == (3, 5, 0)


@pytest.mark.parametrize(
    ("says", "reason"), [("", "apt install prometheus"), ("something else 1.2.3", "does not run as Prometheus")]
)
def test_none_or_another_program_says_what_to_install(tmp_path: Path, says: str, reason: str) -> None:
    if says:
        program(tmp_path / "prometheus", says)

    with pytest.raises(NoPrometheus, match=reason):
        find_prometheus({"PATH": str(tmp_path)})


def test_off_is_none(tmp_path: Path) -> None:
    program(tmp_path / "prometheus", "prometheus, version 2.42.0")

    with pytest.raises(NoPrometheus, match="BOTEL_PROMETHEUS=off"):
        find_prometheus({"PATH": str(tmp_path), "BOTEL_PROMETHEUS": "off"})


def test_jobs_rules_and_intervals_are_the_shipped_ones(tmp_path: Path) -> None:
    config = yaml.safe_load(write_config(tmp_path).read_text())

    assert [job["job_name"] for job in config["scrape_configs"]] == list(jobs())
    assert set(jobs()) >= {service.name for service in SERVICES}
    assert config["global"] == shipped()["global"]
    assert [Path(path) for path in config["rule_files"]] == rule_files()
    assert Path("deploy/prometheus/rules.yml").resolve() in rule_files()


def test_nothing_of_the_shipped_jobs_is_lost_but_their_addresses(tmp_path: Path) -> None:
    for ours, theirs in zip(native_config(tmp_path)["scrape_configs"], shipped()["scrape_configs"], strict=True):
        kept = {key: value for key, value in theirs.items() if key not in ("static_configs", "dns_sd_configs")}
        assert {key: value for key, value in ours.items() if key != "file_sd_configs"} == kept


def test_intervals_can_be_chosen(tmp_path: Path) -> None:
    config = native_config(tmp_path, scrape_s=0.5, evaluation_s=1)

    assert config["global"]["scrape_interval"] == "500ms"
    assert config["global"]["evaluation_interval"] == "1000ms"


def test_the_digest_is_of_the_file_that_is_read() -> None:
    content = Path("deploy/prometheus/rules.yml").read_bytes()

    assert rule_digests()["rules.yml"] == hashlib.sha256(content).hexdigest()


def test_targets_follow_the_processes(tmp_path: Path) -> None:
    write_config(tmp_path)
    write_targets(tmp_path, [row("redis", 1), row("context_store", 2), row("brain-1", 3), row("brain-2", 4)])

    assert told(tmp_path, "context_store") == [{"targets": ["127.0.0.1:2"], "labels": {"instance": "context_store"}}]
    assert [one["labels"] for one in told(tmp_path, "brain")] == [{"instance": "brain-1"}, {"instance": "brain-2"}]
    assert told(tmp_path, "text_gateway") == []

    write_targets(tmp_path, [row("brain-1", 3)])
    assert [one["targets"] for one in told(tmp_path, "brain")] == [["127.0.0.1:3"]]
    assert told(tmp_path, "context_store") == []


def test_a_file_that_would_say_the_same_is_left_alone(tmp_path: Path) -> None:
    write_config(tmp_path)
    write_targets(tmp_path, [row("brain-1", 3)])
    before = (tmp_path / "targets/brain.json").stat()
    write_targets(tmp_path, [row("brain-1", 3), row("redis", 9)])

    assert (tmp_path / "targets/brain.json").stat().st_ino == before.st_ino


def test_it_stands_in_the_table_on_loopback_with_its_data_in_the_directory(tmp_path: Path) -> None:
    first, *rest = with_prometheus(SERVICES, tmp_path, BINARY)

    assert tuple(rest) == SERVICES
    assert first.port_name == PROMETHEUS
    assert "--web.listen-address=127.0.0.1:{port}" in first.argv
    assert f"--storage.tsdb.path={tmp_path / 'prometheus/data'}" in first.argv
    assert first.stage < min(service.stage for service in rest)
    tell(tmp_path, [row("brain-1", 3)])
    assert told(tmp_path / "prometheus", "brain")


def test_a_machine_without_one_runs_as_before(tmp_path: Path) -> None:
    plan = plan_prometheus(SERVICES, {"PATH": str(tmp_path)}, tmp_path / "var")

    assert plan.services == SERVICES
    assert not plan.planned
    assert "apt install prometheus" in plan.told
    assert not (tmp_path / "var").exists()
