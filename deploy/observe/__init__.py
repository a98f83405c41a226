"""Prometheus beside the native stack: found, configured, told what runs, and asked."""
