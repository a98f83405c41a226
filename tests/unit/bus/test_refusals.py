"""What error replies of Redis mean."""

from __future__ import annotations

import pytest
from redis.exceptions import ResponseError

from libs.bus.refusals import moved_to, not_serving, typed
from libs.contracts.errors import BotelError, BusDenied, BusFull, BusUnavailable, Retry


@pytest.mark.parametrize(
    "text",
    [
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write against a read only replica.",
        "MOVED 866 127.0.0.1:7001",
        "ASK 866 127.0.0.1:7001",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "CLUSTERDOWN Hash slot not served",
        "MASTERDOWN Link with MASTER is down",
        "NOREPLICAS Not enough good replicas to write.",
        "UNBLOCKED force unblock from blocking operation",
        "BUSY Redis is busy running a script.",
    ],
)
def test_another_server_or_a_later_try_may_serve(text: str) -> None:
    assert not_serving(text)


@pytest.mark.parametrize("text", ["NOGROUP No such key", "BUSYGROUP exists", "NOSCRIPT No matching script", "ERR x"])
def test_what_is_for_the_caller_is_handed_over(text: str) -> None:
    assert not not_serving(text)
    assert isinstance(typed(ResponseError(text)), ResponseError)


@pytest.mark.parametrize(
    ("text", "kind", "retry"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", BusFull, Retry.LATER),
        ("MISCONF Errors writing to the AOF file", BusFull, Retry.LATER),
        ("NOAUTH Authentication required.", BusDenied, Retry.NEVER),
        ("WRONGPASS invalid username-password pair", BusDenied, Retry.NEVER),
        ("NOPERM this user has no permissions to run the 'xadd' command", BusDenied, Retry.NEVER),
    ],
)
def test_refusals_have_a_type_and_a_verdict(text: str, kind: type[BotelError], retry: Retry) -> None:
    error = typed(ResponseError(text))
    assert isinstance(error, kind)
    assert isinstance(error, BusUnavailable), "who handles a Redis that is away handles this too"
    assert error.retry is retry
    assert text.split()[0] in str(error)


def test_moved_names_the_node() -> None:
    assert moved_to("MOVED 866 127.0.0.1:7001") == ("127.0.0.1", 7001)
    assert moved_to("MOVED 866 ::1:7001") == ("::1", 7001)
    assert moved_to("MOVED 866 :7001") is None
    assert moved_to("TRYAGAIN x") is None
