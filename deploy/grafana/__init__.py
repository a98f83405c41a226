"""Dashboards as code: `make dashboards` writes deploy/grafana/dashboards, `make check` holds the files to the code.

A module per dashboard (bus_and_brains, voice_experience) says what is on it; panels.py says once how a panel looks.
"""
