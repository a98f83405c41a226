"""What the stack must do while it runs in containers, in the order of the evidence."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from deploy.local.ports import HOST
from deploy.verify import confinement
from deploy.verify.engine import ULIMITS, need
from deploy.verify.journal import Journal
from deploy.verify.shell import Shell, until
from deploy.verify.stack import PROJECT, ContainerStack
from libs.observability import names

PROPERTY = "harbour"
GUEST = "guest-204"
TURNS_BY_BRAIN = f'sum by (instance) ({names.TURNS_COMMITTED}{{job="brain"}})'
TURNS_AT_ONCE = 16
RECEIVER = "alert_receiver"
ALERT_S = 240.0
_CALL = ("what time is breakfast served on monday",)


class Story:
    """Asks the stack through what it publishes, as a guest, a caller and an operator."""

    def __init__(self, stack: ContainerStack, journal: Journal, shell: Shell, *, key: str) -> None:
        self._stack = stack
        self._engine = stack.engine
        self._journal = journal
        self._shell = shell
        self._key = key
        self._http = httpx.Client(timeout=60.0, headers={"Authorization": f"Bearer {key}"}, trust_env=False)

    def url(self, name: str) -> str:
        return f"http://{HOST}:{self._stack.env[f'BOTEL_{name}_PORT']}"

    def confined(self) -> None:
        for container in self._stack.containers():
            found = confinement.faults(self._engine, container)
            need(not found, f"{container.name} {', '.join(found)}")
            host = container.settings["HostConfig"]
            limits = f"{host['Memory'] >> 20} MiB, {host['PidsLimit']} processes"
            user = self._engine.podman("exec", container.name, "id", "-u").strip()
            self._journal.say(f"{container.name}: user {user}, at most {limits}")
        self._journal.holds(
            "every container: no root, no capability, no new privilege, read-only but for /tmp, limits, loopback only"
        )

    def text_turn(self, port: str, message: str, *, customer: str = GUEST) -> str:
        """A turn through a published port; the conversation that it belongs to."""
        body = {"propertyId": PROPERTY, "customerId": customer, "message": message}
        answer = self._http.post(f"{self.url(port)}/llm/conversations/", json=body)
        need(answer.status_code == 200, f"the text API answered {answer.status_code} {answer.text[:300]}")
        told = answer.json()
        need(told["status"] == "finished" and told["response"], f"not an answer: {told}")
        self._journal.say(f"guest: {message}\nconcierge: {told['response']}")
        return str(told["conversationId"])

    def spoken_call(self, conversation: str) -> None:
        """A call in a room of the LiveKit container, media and all, into the conversation of the text turn."""
        command = [sys.executable, "-m", "deploy.call", "--url", self.url("TEXT"), "--conversation", conversation]
        command += [word for line in _CALL for word in ("--say", line)]
        told = self._shell.run(command, env={"BOTEL_API_KEY": self._key}, timeout_s=180)
        self._journal.say(told)
        need("concierge: " in told and "answered" in told, "nobody answered the call")
        channels = {message["channel"] for message in self.history(conversation) if message["role"] == "guest"}
        need(channels == {"text", "voice"}, f"the conversation has {channels}")
        self._journal.holds("a spoken call through LiveKit's container, in the same conversation as the text")

    def history(self, conversation: str) -> list[dict[str, Any]]:
        answer = self._http.get(f"{self.url('STORE')}/conversations/{conversation}/messages")
        need(answer.status_code == 200, f"the store answered {answer.status_code} {answer.text[:300]}")
        messages: list[dict[str, Any]] = answer.json()["messages"]
        return messages

    def query(self, expression: str) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self._prometheus("query", query=expression)["result"]
        return result

    def _prometheus(self, what: str, **parameters: str) -> dict[str, Any]:
        answer = self._http.get(f"{self.url('PROMETHEUS')}/api/v1/{what}", params=parameters)
        need(answer.status_code == 200, f"Prometheus answered {answer.status_code} {answer.text[:300]}")
        data: dict[str, Any] = answer.json()["data"]
        return data

    def all_brains_take_turns(self, brains: int) -> None:
        """Turns of many guests at once, until Prometheus has seen each brain commit some."""
        asked = 0

        def ask(number: int) -> int:
            body = {"propertyId": PROPERTY, "customerId": f"crowd-{number}", "message": "What time is breakfast?"}
            return self._http.post(f"{self.url('TEXT')}/llm/conversations/", json=body).status_code

        def each_has_some() -> dict[str, float] | None:
            nonlocal asked
            with ThreadPoolExecutor(TURNS_AT_ONCE) as pool:
                codes = list(pool.map(ask, range(asked, asked + 2 * TURNS_AT_ONCE)))
            need(set(codes) == {200}, f"answers: {sorted(set(codes))}")
            asked += len(codes)
            turns = {row["metric"]["instance"]: float(row["value"][1]) for row in self.query(TURNS_BY_BRAIN)}
            busy = {name: count for name, count in turns.items() if count}
            return busy if len(busy) == brains else None

        busy = until(each_has_some, 120.0, f"{brains} brains take turns")
        self._journal.say(TURNS_BY_BRAIN)
        for number, count in enumerate(busy.values(), 1):
            self._journal.say(f"brain {number}: {count:.0f} turns")
        self._journal.holds(
            f"all {brains} brains took turns, {asked} were asked, {TURNS_AT_ONCE} at once, all answered"
        )

    def seen_by_prometheus(self, brains: int) -> None:
        wanted = {"context_store": 1, "brain": brains, "voice_gateway": 1, "text_gateway": 1}

        def up() -> bool:
            rows = self.query("count by (job) (up == 1)")
            return {row["metric"]["job"]: int(row["value"][1]) for row in rows}.items() >= wanted.items()

        until(up, 60.0, f"Prometheus scrapes {wanted}")
        managers = self._prometheus("alertmanagers")["activeAlertmanagers"]
        need(len(managers) == 1, f"Prometheus knows {len(managers)} Alertmanagers")
        count = sum(len(group["rules"]) for group in self._prometheus("rules")["groups"])
        need(count, "Prometheus has no rules")
        self._journal.holds(
            f"Prometheus scrapes every service and {brains} brains, has {count} rules, knows Alertmanager"
        )

    def an_alert_is_sent(self, receiver_image: str) -> None:
        """All brains are stopped: an alert goes from the rules through Alertmanager to a webhook."""
        script = Path(__file__).resolve().parent / "receiver.py"
        here = ("--network", f"{PROJECT}_default", *ULIMITS, "--volume", f"{script}:/receiver.py:ro")
        self._engine.podman("run", "--detach", "--name", RECEIVER, *here, receiver_image, "python", "/receiver.py")
        brains = [container.name for container in self._stack.containers("brain")]
        self._engine.podman("stop", "--time", "40", *brains, timeout_s=180)
        self._journal.say(f"stopped {len(brains)} brains")
        lines = until(lambda: self._engine.podman("logs", RECEIVER).splitlines(), ALERT_S, "an alert is received")
        for line in lines:
            self._journal.say(f"webhook: {line}")
        need(any(json.loads(line)["status"] == "firing" for line in lines), "no alert that fires")
        self._journal.holds("an alert went from the rules through Alertmanager to a webhook")
        self._engine.podman("rm", "--force", "--time", "1", RECEIVER)
        self._engine.podman("start", *brains, timeout_s=180)
        self._stack.healthy(("brain",))

    def kept_without_redis(self, conversation: str, brains: int) -> None:
        """The stack is ended, the volume of Redis removed, the stack started: history is what it was."""
        before = self.history(conversation)
        self._until_archived(len(before))
        self._stack.down()
        self._engine.podman("volume", "rm", f"{PROJECT}_redis")
        self._journal.say(f"stack ended, volume {PROJECT}_redis removed; {len(before)} messages were in the history")
        self._stack.up(brains)
        need(not self._in_redis(conversation), "Redis knows the conversation already")
        after = self.history(conversation)
        need(after == before, f"history changed: {len(before)} messages before, {len(after)} after")
        for message in after:
            if message["role"] in ("guest", "concierge"):
                self._journal.say(
                    f"{message['number']:>3} {message['channel']:<6}{message['role']:<10}{message['text']}"
                )
        self._journal.say("rows in PostgreSQL: " + ", ".join(f"{name} {count}" for name, count in self.rows().items()))
        self._journal.holds("Redis was emptied: the same history, message for message, from PostgreSQL")

    def _until_archived(self, messages: int) -> None:
        """The store is some milliseconds behind; a row each is more than there are messages of one conversation."""
        until(lambda: sum(self.rows().values()) > messages, 30.0, "the store has kept it")

    def rows(self) -> Mapping[str, int]:
        """Rows of each table of the store."""
        tables = self._sql("select table_name from information_schema.tables where table_schema = 'public' order by 1")
        return {name: int(self._sql(f'select count(*) from "{name}"')) for name in tables.split()}

    def _sql(self, statement: str) -> str:
        [postgres] = self._stack.containers("postgres")
        user = ("--username", "botel", "--host", "/var/run/postgresql", "--tuples-only", "--no-align")
        return self._engine.podman("exec", postgres.name, "psql", *user, "--command", statement).strip()

    def _in_redis(self, conversation: str) -> bool:
        """Whether Redis has ever been told of it since its volume is new: its append-only file is read, no password."""
        path = self._engine.podman("volume", "inspect", f"{PROJECT}_redis", "--format", "{{.Mountpoint}}").strip()
        files = [Path(folder) / name for folder, _, inside in os.walk(path) for name in inside]
        need(files, "Redis keeps no file")
        return any(conversation.encode() in file.read_bytes() for file in files)

    def close(self) -> None:
        self._http.close()
