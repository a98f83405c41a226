"""Tests, a suite per folder: see conftest.py."""
