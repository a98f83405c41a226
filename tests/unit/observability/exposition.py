"""Reads a registry the way Prometheus does: through the text exposition."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


def samples(registry: CollectorRegistry, name: str) -> list[Sample]:
    text = generate_latest(registry).decode()
    return [s for family in text_string_to_metric_families(text) for s in family.samples if s.name == name]


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    (sample,) = [sample for sample in samples(registry, name) if sample.labels == labels]
    return sample.value


def labels_of(registry: CollectorRegistry, name: str, label: str) -> set[str]:
    text = generate_latest(registry).decode()
    found = [s for family in text_string_to_metric_families(text) for s in family.samples if s.name.startswith(name)]
    return {sample.labels[label] for sample in found if label in sample.labels}
