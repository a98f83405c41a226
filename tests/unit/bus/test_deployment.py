"""What REDIS_URL may say."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from libs.bus.deployment import Address, Shape, parse_deployment
from libs.bus.settings import BusSettings

H1, H2 = Address("h1", 1), Address("h2", 2)


@pytest.mark.parametrize("url", ["redis://h:1/0", "rediss://u:p@h", "unix:///var/run/redis.sock?db=1"])
def test_one_server_is_left_to_redis_py(url: str) -> None:
    parsed = parse_deployment(url)
    assert (parsed.shape, parsed.single_url) == (Shape.SINGLE, url)


def test_sentinels_name_a_service_and_a_database() -> None:
    parsed = parse_deployment("redis+sentinel://h1:1,h2:2/hotel/3")
    assert (parsed.shape, parsed.nodes, parsed.service, parsed.database) == (Shape.SENTINEL, (H1, H2), "hotel", 3)
    assert parsed.server_url(H1) == "redis://h1:1/3"
    assert parsed.sentinel_url(H1) == "redis://h1:1/0"


def test_the_password_is_of_the_data_servers_and_sentinels_may_have_their_own() -> None:
    parsed = parse_deployment("rediss+sentinel://u:p%40ss@h1/hotel?sentinel_password=s%2Fecret&socket_keepalive=yes")
    address = Address("h1", 26_379)
    assert parsed.nodes == (address,)
    assert parsed.server_url(address) == "rediss://u:p%40ss@h1:26379/0?socket_keepalive=yes"
    assert parsed.sentinel_url(address) == "rediss://:s%2Fecret@h1:26379/0?socket_keepalive=yes"


def test_a_cluster_is_some_of_its_nodes() -> None:
    parsed = parse_deployment("redis+cluster://:secret@h1:1,[::1]:7000,h3")
    assert (parsed.shape, parsed.nodes) == (Shape.CLUSTER, (H1, Address("::1", 7_000), Address("h3", 6_379)))
    assert parsed.server_url(parsed.nodes[1]) == "redis://:secret@[::1]:7000/0"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("localhost:6379", "no scheme"),
        ("http://h", "http:// is not known"),
        ("redis+magic://h", "is not known"),
        ("unix+cluster://h", "is not known"),
        ("redis+sentinel://u:hidden@h:1", "<service>"),
        ("redis+sentinel://h:1/hotel/one", "<service>"),
        ("redis+sentinel://h:1,,h2/hotel", "host:port"),
        ("redis+sentinel://h:x/hotel", "host:port"),
        ("redis+cluster://h:99999", "host:port"),
        ("redis+cluster://h:1/2", "only database 0"),
    ],
)
def test_a_wrong_url_is_an_error_of_the_settings(url: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says) as caught:
        BusSettings(redis_url=url)
    assert "hidden" not in str(caught.value)
