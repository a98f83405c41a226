"""Every alert has a page that tells what to do, and a test that fires and one that does not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.runbooks import headings
from libs.bus.access import OPERATOR
from libs.bus.access import rules as rules_of_user
from libs.observability import names
from tests.unit.deploy.dashboards import RUNBOOKS, metrics_of, rules, unknown

RULES = rules()
NAMES = [rule["alert"] for rule in RULES]
CASES: list[dict[str, Any]] = [
    case
    for path in sorted(Path("deploy/prometheus/tests").glob("*.yml"))
    for test in yaml.safe_load(path.read_text())["tests"]
    for case in test["alert_rule_test"]
]
SECTIONS = {"what-it-means", "what-guests-notice", "how-to-look", "what-to-do", "when-to-escalate"}
READING = {"README", "bus", "voice"}
EVERY = pytest.mark.parametrize("rule", RULES, ids=NAMES)


def page_of(alert: str) -> str:
    """GuestsWait -> guests-wait."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", alert).lower()


def test_names_are_one_each_and_the_ones_that_others_rely_on_are_there() -> None:
    assert len(NAMES) == len(set(NAMES))
    guests_wait = next(rule for rule in RULES if rule["alert"] == "GuestsWait")
    assert f'{names.GROUP_OLDEST_WAITING}{{group="brain"}}) > 3' in guests_wait["expr"]
    assert guests_wait["for"] == "15s"


@EVERY
def test_an_alert_says_how_urgent_it_is_and_what_it_is(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert all(rule["annotations"].values())


@EVERY
def test_an_alert_has_a_page_of_its_name(rule: dict[str, Any]) -> None:
    page = page_of(rule["alert"])
    text = (RUNBOOKS / f"{page}.md").read_text()

    assert rule["annotations"]["runbook_url"].rpartition("/")[2] == f"runbook-{page}"
    assert text.startswith(f"# {rule['alert']}\n")
    assert headings(text) >= SECTIONS
    assert f"[{rule['alert']}]({page}.md) | {rule['labels']['severity']} |" in (RUNBOOKS / "README.md").read_text()


@EVERY
def test_an_alert_has_a_test_that_fires_and_one_that_does_not(rule: dict[str, Any]) -> None:
    expected = [bool(case["exp_alerts"]) for case in CASES if case["alertname"] == rule["alert"]]

    assert set(expected) == {True, False}


@EVERY
def test_an_alert_looks_at_what_the_code_always_tells(rule: dict[str, Any]) -> None:
    assert unknown(rule["expr"]) == set()
    assert metrics_of(rule["expr"])
    assert "absent(" not in rule["expr"]
    assert "vector(" not in rule["expr"]


def test_no_page_and_no_test_is_of_an_alert_that_is_gone() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - READING == {page_of(name) for name in NAMES}
    assert {case["alertname"] for case in CASES} == set(NAMES)


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_what_a_page_names_is_there(path: Path) -> None:
    text = path.read_text()
    metrics = set(re.findall(r"\bbotel_\w+", text))
    settings = set(re.findall(r"\b(?:BOTEL|BRAIN)_[A-Z_]+[A-Z]\b", text))
    targets = set(re.findall(r"`make ([a-z-]+)", text))
    links = re.findall(r"\]\(([^)#]+?)(?:#[\w-]+)?\)", text)
    sources = "\n".join(one.read_text() for top in ("libs", "services", "deploy") for one in Path(top).rglob("*.py"))

    assert {name for name in metrics if unknown(name)} == set()
    assert targets <= set(re.findall(r"(?m)^([a-z-]+):.*?##", Path("Makefile").read_text()))
    assert all((path.parent / link).exists() for link in links)
    assert {name for name in settings if not _set_somewhere(name, sources)} == set()


def test_pages_told_operators_to_send_what_their_user_may_not() -> None:
    """Slow log and settings of a Redis whose only users are ours: nobody could."""
    text = "\n".join(path.read_text() for path in RUNBOOKS.glob("*.md"))
    told = re.findall(r'make redis C="?([A-Z]+)(?: ([A-Z]+))?', text)
    allowed = {word for line in rules_of_user(OPERATOR) for word in re.findall(r"\+([^\s)]+)", line)}
    assert len(told) >= 4
    assert {f"{one} {two}" for one, two in told if not {one.lower(), f"{one}|{two}".lower()} & allowed} == set()
    assert "redis-cli" not in text, "as whom?"
    assert "scan" in allowed


def _set_somewhere(name: str, sources: str) -> bool:
    """By its own name, or as a prefix and a field; or of containers."""
    prefixes = set(re.findall(r'env_prefix="([A-Z_]+)"', sources))
    fields = [name.removeprefix(prefix).lower() for prefix in prefixes if name.startswith(prefix)]
    if f"${{{name}:" in Path("docker-compose.yml").read_text():
        return True
    return f'"{name}"' in sources or any(re.search(rf"(?m)^    {field}: ", sources) for field in fields)
