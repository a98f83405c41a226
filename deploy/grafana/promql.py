"""The few shapes of query that dashboards need. Names come from libs.observability.names."""

from __future__ import annotations

from deploy.grafana.panels import Query

WINDOW = "$__rate_interval"


def total(metric: str, match: str = "") -> str:
    return f"sum({metric}{_braces(match)})"


def by(label: str, metric: str, match: str = "") -> Query:
    """A gauge, summed by a label."""
    return Query(f"sum by ({label}) ({metric}{_braces(match)})", _legend(label))


def rate(metric: str, match: str = "") -> str:
    return f"sum(rate({metric}{_braces(match)}[{WINDOW}]))"


def rates(label: str, metric: str, match: str = "") -> Query:
    """A counter per second, by one label or several (comma separated)."""
    return Query(f"sum by ({label}) (rate({metric}{_braces(match)}[{WINDOW}]))", _legend(label))


def share(part: str, whole: str) -> str:
    return f"{part} / {whole}"


def quantile(share_of: float, metric: str, match: str = "", *, label: str = "") -> str:
    """Of a histogram, over all processes; with a label, for each of its values."""
    grouped = f"le, {label}" if label else "le"
    return f"histogram_quantile({share_of}, sum by ({grouped}) (rate({metric}_bucket{_braces(match)}[{WINDOW}])))"


def quantiles(metric: str, match: str = "", what: str = "") -> tuple[Query, Query]:
    """The median, and the unlucky one in twenty."""
    names = (f"{what} p50", f"{what} p95") if what else ("p50", "p95")
    return Query(quantile(0.5, metric, match), names[0]), Query(quantile(0.95, metric, match), names[1])


def mean(metric: str, match: str = "", *, label: str) -> Query:
    took = f"sum by ({label}) (rate({metric}_sum{_braces(match)}[{WINDOW}]))"
    times = f"sum by ({label}) (rate({metric}_count{_braces(match)}[{WINDOW}]))"
    return Query(f"{took} / {times}", _legend(label))


def _braces(match: str) -> str:
    return f"{{{match}}}" if match else ""


def _legend(label: str) -> str:
    return " ".join(f"{{{{{one.strip()}}}}}" for one in label.split(","))
