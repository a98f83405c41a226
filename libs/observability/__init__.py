"""What every service shows of itself: JSON logs, Prometheus metrics, health over HTTP. Takes registries, owns none."""
