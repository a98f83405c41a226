"""The native Prometheus's configuration: the shipped one, with the same rule files, jobs and intervals.

Only where a job's targets come from differs: a file per job, which `deploy.observe.targets` writes. The rules are not
copied: Prometheus reads the very files of deploy/prometheus.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

SHIPPED = Path(__file__).resolve().parents[1] / "prometheus" / "prometheus.yml"
CONFIG_FILE = "prometheus.yml"
TARGETS = "targets"
_DISCOVERY = ("static_configs", "_sd_configs")


def shipped() -> dict[str, Any]:
    """deploy/prometheus/prometheus.yml."""
    loaded: dict[str, Any] = yaml.safe_load(SHIPPED.read_text())
    return loaded


def jobs() -> tuple[str, ...]:
    """What is scraped, by the names that the shipped configuration gives."""
    return tuple(str(job["job_name"]) for job in shipped()["scrape_configs"])


def rule_files() -> list[Path]:
    """The rule files that the shipped configuration names, as absolute paths."""
    found = {path.resolve() for pattern in shipped()["rule_files"] for path in SHIPPED.parent.glob(pattern)}
    return sorted(found)


def rule_digests() -> dict[str, str]:
    """SHA-256 of each rule file, by its name: what `sha256sum deploy/prometheus/*.yml` says."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in rule_files()}


def targets_file(directory: Path, job: str) -> Path:
    return directory / TARGETS / f"{job}.json"


def native_config(
    directory: Path, *, scrape_s: float | None = None, evaluation_s: float | None = None
) -> dict[str, Any]:
    """The configuration of a Prometheus whose files are in `directory`. Seconds; None: as shipped."""
    config = shipped()
    # An Alertmanager of the containers is not there natively: alerts are shown by Prometheus itself.
    config.pop("alerting", None)
    intervals = {"scrape_interval": scrape_s, "evaluation_interval": evaluation_s}
    config["global"] |= {name: _duration(seconds) for name, seconds in intervals.items() if seconds is not None}
    config["rule_files"] = [str(path) for path in rule_files()]
    config["scrape_configs"] = [
        {**dict(_without_discovery(job)), "file_sd_configs": [{"files": [_targets(directory, job)]}]}
        for job in config["scrape_configs"]
    ]
    return config


def write_config(directory: Path, *, scrape_s: float | None = None, evaluation_s: float | None = None) -> Path:
    """Write it into `directory`, with an empty file of targets for each job; returns its path."""
    (directory / TARGETS).mkdir(parents=True, exist_ok=True)
    for job in jobs():
        targets_file(directory, job).write_text("[]")
    path = directory / CONFIG_FILE
    path.write_text(yaml.safe_dump(native_config(directory, scrape_s=scrape_s, evaluation_s=evaluation_s)))
    return path


def _targets(directory: Path, job: dict[str, Any]) -> str:
    return str(targets_file(directory.resolve(), job["job_name"]))


def _without_discovery(job: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in job.items() if not key.endswith(_DISCOVERY))


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
