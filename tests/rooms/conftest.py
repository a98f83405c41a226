"""Fixtures of the tests that need rooms."""

from tests.servers.livekit import livekit_server

__all__ = ["livekit_server"]
