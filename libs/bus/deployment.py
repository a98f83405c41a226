"""What REDIS_URL may say: one server, a master that sentinels know, or a cluster. Pure.

    redis://[user:password@]host:port/db           also rediss:// (TLS) and unix://
    redis+sentinel://[user:password@]host:port,host:port,host:port/service/db
    redis+cluster://[user:password@]host:port,host:port

`rediss+sentinel` and `rediss+cluster` are the same with TLS. User and password are those of the data servers; those of
the sentinels, if they have any, are `?sentinel_username=` and `?sentinel_password=`. Other parameters are redis-py's.
"""

from __future__ import annotations

import enum
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

_SENTINEL_PORT, _DATA_PORT = 26_379, 6_379
_SENTINEL_ONLY = ("sentinel_username", "sentinel_password")


class Address(msgspec.Struct, frozen=True):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Shape(enum.Enum):
    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed REDIS_URL. It contains the password: not for logs."""

    shape: Shape
    scheme: str
    """Of the data servers: redis, rediss or unix."""
    login: str = ""
    """`user:password@`, as it was written."""
    nodes: tuple[Address, ...] = ()
    """Sentinels, or some of a cluster's nodes."""
    service: str = ""
    """What the sentinels call the master."""
    database: int = 0
    query: str = ""
    sentinel_login: str = ""
    single_url: str = ""

    def server_url(self, address: Address) -> str:
        """URL of a data server, for redis-py."""
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self.login}{address}/{self.database}{query}"

    def sentinel_url(self, address: Address) -> str:
        """URL of a sentinel, for redis-py."""
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self.sentinel_login}{address}/0{query}"


def parse_deployment(url: str) -> Deployment:
    """`ValueError` says what is wrong, without the password."""
    scheme, found, rest = url.partition("://")
    if not found:
        raise ValueError("REDIS_URL has no scheme: redis://host:port/0")
    if any(name.startswith("ssl_") for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True)):
        raise ValueError("REDIS_URL: certificates are set with BOTEL_BUS_TLS_CA, _CERT and _KEY, and always checked")
    if scheme in ("redis", "rediss", "unix"):
        return Deployment(shape=Shape.SINGLE, scheme=scheme, single_url=url)
    plain, _, shape = scheme.partition("+")
    if plain not in ("redis", "rediss") or shape not in ("sentinel", "cluster"):
        raise ValueError(
            f"REDIS_URL: {scheme}:// is not known; redis, rediss, unix, redis+sentinel or redis+cluster is"
        )
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    login, at, hosts = authority.rpartition("@")
    parameters = dict(parse_qsl(query))
    if shape == "cluster":
        if path.strip("/") not in ("", "0"):
            raise ValueError("REDIS_URL: a cluster has only database 0")
        return Deployment(
            shape=Shape.CLUSTER, scheme=plain, login=login + at, nodes=_addresses(hosts, _DATA_PORT), query=query
        )
    service, _, database = path.strip("/").partition("/")
    if not service or not (database or "0").isdigit():
        raise ValueError("REDIS_URL: redis+sentinel://host:port,host:port/<service>/<db number>")
    return Deployment(
        shape=Shape.SENTINEL,
        scheme=plain,
        login=login + at,
        nodes=_addresses(hosts, _SENTINEL_PORT),
        service=service,
        database=int(database or 0),
        query=urlencode({name: value for name, value in parameters.items() if name not in _SENTINEL_ONLY}),
        sentinel_login=_login(*(parameters.get(name, "") for name in _SENTINEL_ONLY)),
    )


def _login(user: str, password: str) -> str:
    return f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""


def _addresses(hosts: str, default_port: int) -> tuple[Address, ...]:
    return tuple(_address(host, default_port) for host in hosts.split(","))


def _address(text: str, default_port: int) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(default_port)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError(f"REDIS_URL: {text!r} is no host:port")
    return Address(host, int(port))
