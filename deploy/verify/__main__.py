"""`make verify-images`: the very Dockerfile and docker-compose.yml, built and run by podman on stand-in images.

    sudo make verify-images          writes docs/evidence/compose-on-podman.log

For machines without Docker and without a registry: needs root, Linux, Debian's podman, buildah, runc, netavark,
aardvark-dns, catatonit, iptables and debootstrap, a LiveKit server (make livekit-server), and 5 GB of disk meanwhile.
Takes about six minutes and leaves nothing behind. What it cannot show is in docs/images.md.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import os
import platform
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import httpx

from deploy.livekit.binary import NoLiveKit, find_livekit
from deploy.local.bootstrap import find_uv
from deploy.local.compose import compose_env, kept
from deploy.local.env import new_api_key, without_settings
from deploy.local.ports import free_ports, is_free
from deploy.local.stack import ROOT
from deploy.local.urls import compose_places, told
from deploy.verify import images
from deploy.verify.engine import Engine, environment, missing, need
from deploy.verify.journal import Journal
from deploy.verify.shell import Shell, VerificationFailed
from deploy.verify.stack import PODMAN_COMPOSE, ContainerStack
from deploy.verify.standins import STANDINS, make_all, versions
from deploy.verify.story import Story
from libs.observability.release import RELEASE

EVIDENCE = ROOT / "docs/evidence/compose-on-podman.log"
PORTS = ("TEXT", "STORE", "REDIS", "LIVEKIT", "LIVEKIT_UDP", "PROMETHEUS", "ALERTMANAGER", "GRAFANA")
LLM_PORT = 80
BRAINS, MORE_BRAINS = 2, 4


class Verification:
    """One run, in a folder of its own."""

    def __init__(self, work: Path, journal: Journal, *, mirror: str) -> None:
        self._work = work
        self._journal = journal
        self._mirror = mirror
        self._uv = find_uv(ROOT / ".tools")
        self._key = new_api_key()
        self._shell = Shell(ROOT, environment(work, without_settings(os.environ)), work / "commands.log")
        self._engine = Engine(work, self._shell)
        self._env = self._settings()
        self._stack = ContainerStack(self._engine, self._shell, work, self._uv, self._env)

    def _settings(self) -> dict[str, str]:
        """As `make up` makes them, with ports that are free."""
        ports = {f"BOTEL_{name}_PORT": str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
        llm = str(LLM_PORT if is_free(LLM_PORT) else free_ports(1)[0])
        receivers = {"BOTEL_ALERTMANAGER_CONFIG": "./deploy/alertmanager/webhook.yml"}
        own = {"BOTEL_API_KEY": self._key, "BOTEL_LLM_PORT": llm, **ports, **receivers}
        bases = {one.variable: one.image for one in STANDINS if one.variable}
        return compose_env({**own, **bases}, kept(self._work / "var"))

    def secrets(self) -> dict[str, str]:
        """What this run's containers are given and no image or record may have, by what it is."""
        words = ("KEY", "KEYS", "SECRET", "PASSWORD")
        return {name: value for name, value in self._env.items() if name.endswith(words) and len(value) > 8}

    def run(self) -> None:
        """Everything; `VerificationFailed` at the first thing that is not as promised."""
        self._journal.hide({value: f"<{name}>" for name, value in self.secrets().items()})
        self._journal.hide({str(self._work): "<work>", str(ROOT): ".", platform.node(): "<host>"})
        self._tell_what_is_verified()
        self._journal.title("stand-ins for foreign images")
        livekit = find_livekit().path
        make_all(self._engine, self._shell, self._work, uv=self._uv, livekit=livekit, mirror=self._mirror)
        self._journal.say("\n".join(f"{name}: {version}" for name, version in versions(self._engine).items()))
        self._journal.title("podman-compose build: deploy/docker/Dockerfile, four times")
        self._stack.build()
        self._check_images()
        self._journal.title("podman-compose up: docker-compose.yml, profiles voice and observability, without Grafana")
        waited = self._stack.up(BRAINS)
        names = ", ".join(container.name for container in self._stack.containers())
        self._journal.say(f"{names}\n\n{told(compose_places(self._env))}")
        self._journal.holds(f"every health check passes, {waited:.0f} s after the containers were made")
        story = Story(self._stack, self._journal, self._shell, key=self._key)
        try:
            self._tell(story)
        finally:
            story.close()

    def _tell_what_is_verified(self) -> None:
        self._journal.title("what is verified, by what")
        for name in ("docker-compose.yml", "deploy/docker/Dockerfile", "deploy/verify/podman.yml"):
            self._journal.say(f"sha256 {hashlib.sha256((ROOT / name).read_bytes()).hexdigest()}  {name}")
        commands = [[name, "--version"] for name in ("podman", "buildah", "runc")]
        told = [self._shell.run(command).strip().splitlines()[0] for command in commands]
        uv = self._shell.run([self._uv, "--version"]).split()[:2]
        today = datetime.datetime.now(datetime.UTC).date()
        self._journal.say("\n".join([*told, f"podman-compose {PODMAN_COMPOSE}", " ".join(uv)]))
        self._journal.say(f"Linux {platform.release()}, {os.cpu_count()} processors, {today}")

    def _check_images(self) -> None:
        base = images.size_of(self._engine, self._env["PYTHON_IMAGE"])
        faults = []
        for service in images.OURS:
            image = images.image_of(self._engine, service, RELEASE)
            faults += [f"{image.name} {fault}" for fault in images.faults(self._engine, image, self.secrets())]
            own = (image.size - base) / 1e6
            self._journal.say(f"{image.name}: {image.size / 1e6:.0f} MB, {own:.0f} MB of it above the base")
        need(not faults, "\n".join(faults[:40]))
        self._journal.holds(
            f"four images: user {images.USER}, own code and packages only, no tool, no secret, nothing it could change"
        )

    def _tell(self, story: Story) -> None:
        self._journal.title("confinement")
        story.confined()
        self._journal.title("a text turn, on the published ports")
        conversation = story.text_turn("TEXT", "What time is breakfast?")
        need(story.text_turn("LLM", "Is there parking?") == conversation, "another conversation on BotelLLM's port")
        self._journal.holds(
            f"text turns on the text API's port and on port {self._env['BOTEL_LLM_PORT']}, one conversation"
        )
        self._journal.title("a spoken call")
        story.spoken_call(conversation)
        self._journal.title(f"--scale brain={MORE_BRAINS}")
        self._stack.scale(MORE_BRAINS)
        story.seen_by_prometheus(MORE_BRAINS)
        story.all_brains_take_turns(MORE_BRAINS)
        self._journal.title("no brain is left: an alert")
        story.an_alert_is_sent(self._env["PYTHON_IMAGE"])
        self._journal.title("Redis is emptied")
        story.kept_without_redis(conversation, BRAINS)
        story.text_turn("TEXT", "Thank you, what about checking out?")
        self._journal.holds("and the stack goes on")

    def clean(self) -> None:
        """Take the containers, images and networks away, and say that nothing is left."""
        self._journal.title("clean-up")
        size = int(self._shell.run(["du", "-sxk", str(self._work)]).split()[0]) * 1024
        left = self._engine.clean()
        need(not left, "left behind: " + ", ".join(left))
        self._journal.holds(
            f"containers, networks, firewall chains, mounts and {size / 1e9:.1f} GB of storage are gone"
        )


def main() -> int:
    options = _parser().parse_args()
    if reason := why_not():
        print(reason, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _ended)
    work = Path(tempfile.mkdtemp(prefix="botel-verify-", dir=options.work or None))
    journal = Journal(options.log, lambda line: print(line, flush=True), {})
    verification = Verification(work, journal, mirror=options.mirror)
    verified = False
    try:
        verification.run()
        verified = True
    except (VerificationFailed, httpx.HTTPError, OSError) as error:
        journal.fails(str(error))
    finally:
        try:
            verification.clean()
        except VerificationFailed as error:
            verified = False
            journal.fails(str(error))
        # Beside the record it could be committed, and it has paths and keys of this run.
        log = work.with_suffix(".commands")
        if not verified:
            shutil.copy(work / "commands.log", log)
        shutil.rmtree(work, ignore_errors=True)
    journal.title(f"{'verified' if verified else 'NOT verified'}: {journal.passed} ok")
    if not verified:
        print(f"what was run, in full: {log}", file=sys.stderr)
    return 0 if verified else 1


def why_not() -> str:
    """Why it cannot run here; '' when it can."""
    if sys.platform != "linux" or os.geteuid():
        return "this needs Linux, and root for mounts and networks"
    if lacking := missing():
        return f"missing: {', '.join(lacking)} (Debian: apt-get install {' '.join(lacking)})"
    try:
        find_livekit()
    except NoLiveKit as error:
        return str(error)
    return ""


def _ended(*_: object) -> NoReturn:
    raise VerificationFailed("ended by a signal")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--log", type=Path, default=EVIDENCE, help="where the record is written")
    parser.add_argument(
        "--work", default="", help="a folder with 5 GB of room, not on tmpfs; else that of temporary files"
    )
    parser.add_argument("--mirror", default="http://deb.debian.org/debian", help="of Debian, for the stand-ins")
    return parser


if __name__ == "__main__":
    sys.exit(main())
