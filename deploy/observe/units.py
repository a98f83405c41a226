"""Values as Grafana writes them, for the units that the dashboards use. Pure."""

from __future__ import annotations

_SI = ((1e9, "Bil"), (1e6, "Mil"), (1e3, "K"))
_TIMES = ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BYTES = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_DECIMAL_BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
_RATES = {"reqps": "req/s", "ops": "ops/s", "cps": "c/s", "eps": "events/s", "mps": "msg/s", "wps": "writes/s"}
_SUFFIXES = {"percent": "%", "celsius": "°C", "dB": "dB"}


def written(value: float, unit: str, decimals: int | None = None) -> str:
    """The number with its unit; `decimals` when the panel says how many."""
    match unit:
        case "s":
            return _scaled(value, _TIMES, decimals)
        case "ms":
            return _scaled(value / 1e3, _TIMES, decimals)
        case "bytes":
            return _scaled(value, _BYTES, decimals)
        case "decbytes":
            return _scaled(value, _DECIMAL_BYTES, decimals)
        case "percentunit":
            return f"{_number(value * 100, decimals)}%"
        case "currencyUSD":
            return f"${_short(value, decimals)}"
        case "short" | "none" | "":
            return _short(value, decimals)
        case "bool_yes_no":
            return "yes" if value else "no"
    if unit.startswith("suffix:"):
        return f"{_short(value, decimals)} {unit.removeprefix('suffix:').strip()}"
    if unit in _RATES:
        return f"{_short(value, decimals)} {_RATES[unit]}"
    return f"{_short(value, decimals)} {_SUFFIXES.get(unit, unit)}"


def _scaled(value: float, scales: tuple[tuple[float, str], ...], decimals: int | None) -> str:
    if value == 0:
        return f"0 {next(name for size, name in scales if size == 1.0)}"
    size, name = next(((size, name) for size, name in scales if abs(value) >= size * 0.9995), scales[-1])
    return f"{_number(value / size, decimals)} {name}"


def _short(value: float, decimals: int | None) -> str:
    for size, name in _SI:
        if abs(value) >= size:
            return f"{_number(value / size, decimals)} {name}"
    return _number(value, decimals)


def _number(value: float, decimals: int | None) -> str:
    """Three figures or so, as Grafana does when nothing is said."""
    if decimals is None:
        size = abs(value)
        decimals = 0 if size >= 100 or value == round(value) else 1 if size >= 10 else 2 if size >= 0.1 else 3
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
