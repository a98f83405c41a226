"""`make redis`: how redis-cli is called on the Redis that a URL names."""

from __future__ import annotations

import pytest

from deploy.local.redis_cli import command_line


def test_the_password_is_no_argument() -> None:
    given, secret = command_line("redis://operator:s%2Fcret@127.0.0.1:6390/0", {})
    assert given == ["-h", "127.0.0.1", "-p", "6390", "-n", "0", "--user", "operator"]
    assert secret == {"REDISCLI_AUTH": "s/cret"}


def test_without_users_there_is_nobody_to_be() -> None:
    assert command_line("redis://127.0.0.1:7001/3", {}) == (["-h", "127.0.0.1", "-p", "7001", "-n", "3"], {})


def test_a_socket() -> None:
    assert command_line("unix:///run/redis.sock", {}) == (["-s", "/run/redis.sock"], {})


def test_tls_with_the_certificates_that_the_services_use() -> None:
    files = {"BOTEL_BUS_TLS_CA": "/ca.pem", "BOTEL_BUS_TLS_CERT": "/c.pem", "BOTEL_BUS_TLS_KEY": "/k.pem"}
    given, _ = command_line("rediss://redis.hotel:6379/0", files)
    assert given[given.index("--tls") :] == ["--tls", "--cacert", "/ca.pem", "--cert", "/c.pem", "--key", "/k.pem"]


@pytest.mark.parametrize("url", ["redis+sentinel://a:1,b:2/botel", "redis+cluster://a:1,b:2"])
def test_one_server_only(url: str) -> None:
    with pytest.raises(ValueError, match="one server"):
        command_line(url, {})
