"""Three cluster nodes on loopback, of Redis or Valkey, each with a third of the slots; a slot can be moved."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis

from deploy.local.leash import Leash
from deploy.local.ports import HOST, free_ports
from deploy.local.redis_server import RedisBinary
from tests.servers.redis import RedisServer, chosen_binary
from tests.servers.sentinel import wait_for

NODES = 3
_SLOTS = 16_384
_OPTIONS = ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "15000")


class ClusterRedis:
    """The nodes, and who has which slot."""

    def __init__(self, nodes: Sequence[RedisServer], bus_ports: Sequence[int]) -> None:
        self.nodes, self._bus_ports = nodes, bus_ports

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    def start_all(self) -> None:
        """Returns when every node takes commands."""
        for index, node in enumerate(self.nodes):
            node.start()
            first, last = _SLOTS * index // NODES, _SLOTS * (index + 1) // NODES - 1
            node.ask(f"CLUSTER SET-CONFIG-EPOCH {index + 1}")
            assert node.ask(f"CLUSTER ADDSLOTSRANGE {first} {last}").startswith(b"+OK")
        for node, bus_port in zip(self.nodes[1:], self._bus_ports[1:], strict=True):
            self.nodes[0].ask(f"CLUSTER MEET {HOST} {node.port} {bus_port}")
        for node in self.nodes:
            wait_for(partial(_whole, node), "the cluster does not come together")

    def stop_all(self) -> None:
        for node in self.nodes:
            node.stop()

    def node_of(self, slot: int) -> RedisServer:
        """Who serves a slot, by the word of the first node."""
        with Redis(port=self.nodes[0].port) as redis:
            for first, last, master, *_ in redis.execute_command("CLUSTER SLOTS"):
                if first <= slot <= last:
                    return next(node for node in self.nodes if node.port == master[1])
        raise LookupError(f"nobody serves slot {slot}")

    def move_slot(self, slot: int) -> None:
        """Move a slot with its keys to the next node, as `redis-cli --cluster reshard` does."""
        self.begin_move(slot).finish()

    def begin_move(self, slot: int) -> SlotMove:
        """Half of it: some keys are here, some there."""
        source = self.node_of(slot)
        target = self.nodes[(self.nodes.index(source) + 1) % NODES]
        move = SlotMove(slot, source.port, target.port)
        move.begin()
        return move


class SlotMove:
    """A slot on its way from one node to another."""

    def __init__(self, slot: int, source: int, target: int) -> None:
        self._slot, self._target = slot, target
        self._here: Any = Redis(port=source)
        self._there: Any = Redis(port=target)
        self._source_id, self._target_id = (_id_of(one) for one in (self._here, self._there))

    def begin(self) -> None:
        """Declare it, and move the first key."""
        self._there.execute_command("CLUSTER SETSLOT", self._slot, "IMPORTING", self._source_id)
        self._here.execute_command("CLUSTER SETSLOT", self._slot, "MIGRATING", self._target_id)
        self._move_keys(1)

    def finish(self) -> None:
        """Move the rest, and tell every node whose it is now."""
        while self._move_keys(50):
            pass
        for one in (self._there, self._here):
            one.execute_command("CLUSTER SETSLOT", self._slot, "NODE", self._target_id)
            one.close()

    def _move_keys(self, count: int) -> bool:
        keys = self._here.execute_command("CLUSTER GETKEYSINSLOT", self._slot, count)
        if keys:
            self._here.execute_command("MIGRATE", HOST, self._target, "", 0, 5_000, "KEYS", *keys)
        return bool(keys)


def _id_of(node: Any) -> str:
    told: bytes = node.execute_command("CLUSTER MYID")
    return told.decode()


def _whole(node: RedisServer) -> bool:
    told = node.ask("CLUSTER INFO")
    return b"cluster_state:ok" in told and b"cluster_known_nodes:%d" % NODES in told


@contextmanager
def running_cluster(*, durable: bool = False, binary: RedisBinary | None = None) -> Iterator[ClusterRedis]:
    """Three nodes, gone at the end."""
    leash, found, bus_ports = Leash(), binary or chosen_binary(), free_ports(NODES)
    with tempfile.TemporaryDirectory(prefix="botel-cluster-") as root:
        nodes = []
        for index, bus_port in enumerate(bus_ports):
            directory = Path(root) / str(index)
            directory.mkdir()
            options = [*_OPTIONS, "--cluster-port", str(bus_port)]
            nodes.append(RedisServer(found, directory, leash, durable=durable, options=options))
        cluster = ClusterRedis(nodes, bus_ports)
        try:
            cluster.start_all()
            yield cluster
        finally:
            cluster.stop_all()
            leash.close()
