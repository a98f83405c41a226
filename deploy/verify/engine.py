"""Buildah and podman on a storage of their own, and what they leave on the machine taken away again.

They need root, and network and mount namespaces; no daemon, no systemd. Everything is below one folder, except what
only the kernel has: mounts, a bridge, firewall chains, control groups.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from deploy.verify.shell import Done, Shell, VerificationFailed

NEEDED = ("podman", "buildah", "runc", "debootstrap", "iptables", "iptables-save")
HELPERS = ("netavark", "aardvark-dns", "catatonit")
"""Called by podman: in one of `HELPER_DIRECTORIES`."""
HELPER_DIRECTORIES = ("/usr/lib/podman", "/usr/libexec/podman", "/usr/local/libexec/podman", "/usr/bin")
ULIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
_CHAIN = re.compile(r"^:(NETAVARK\S*)", re.MULTILINE)
_CGROUPS = Path("/sys/fs/cgroup")


def missing() -> list[str]:
    """What is to be installed first (Debian: packages of these names)."""
    helpers = [name for name in HELPERS if not any((Path(place) / name).exists() for place in HELPER_DIRECTORIES)]
    return [name for name in NEEDED if not shutil.which(name)] + helpers


class Engine:
    """One storage of images and containers in `work`."""

    def __init__(self, work: Path, shell: Shell, *, driver: str = "overlay") -> None:
        self._work = work
        self._shell = shell
        self._storage = ("--root", f"{work}/storage", "--runroot", f"{work}/run", "--storage-driver", driver)
        self._before = chains(self._saved())

    def podman_command(self) -> list[str]:
        """Runc and cgroupfs: crun and systemd want more of a machine than this one may have."""
        places = ("--network-config-dir", f"{self._work}/networks", "--tmpdir", f"{self._work}/libpod")
        return ["podman", *self._storage, "--runtime", "runc", "--cgroup-manager", "cgroupfs", *places]

    def write_podman(self, path: Path) -> None:
        """A podman for others to call, podman-compose first of all."""
        path.write_text(f'#!/bin/sh\nexec {" ".join(self.podman_command())} "$@"\n')
        path.chmod(0o755)

    def podman(self, *arguments: str, timeout_s: float = 120.0) -> str:
        return self._shell.run([*self.podman_command(), *arguments], timeout_s=timeout_s)

    def try_podman(self, *arguments: str, timeout_s: float = 120.0) -> Done:
        return self._shell.try_([*self.podman_command(), *arguments], timeout_s=timeout_s)

    def import_root(self, rootfs: Path, image: str) -> None:
        """An image of one layer: this directory."""
        container = self._buildah("from", "scratch").strip().splitlines()[-1]
        self._buildah("add", container, str(rootfs), "/", timeout_s=600)
        self._buildah("commit", "--rm", container, image, timeout_s=600)

    def build(self, dockerfile: Path, image: str, context: Path) -> None:
        command = ["bud", "--isolation", "chroot", "--file", str(dockerfile), "--tag", image, str(context)]
        self._buildah(*command, timeout_s=1_200)

    def _buildah(self, *arguments: str, timeout_s: float = 120.0) -> str:
        return self._shell.run(["buildah", *self._storage, *arguments], timeout_s=timeout_s)

    def clean(self) -> list[str]:
        """Take everything away; what could not be, in words."""
        if (self._work / "storage").exists():
            self.try_podman("rm", "--all", "--force", "--time", "1", timeout_s=300)
            for network in self.try_podman("network", "ls", "--format", "{{.Name}}").out.split():
                self.try_podman("network", "rm", "--force", network)
        for mount in sorted(mounts_below(self._work), reverse=True):
            self._shell.try_(["umount", "--lazy", mount])
        self._remove_chains()
        remove_groups(_CGROUPS)
        shutil.rmtree(self._work / "storage", ignore_errors=True)
        return self.left()

    def left(self) -> list[str]:
        """Traces of this engine on the machine."""
        firewall = [f"chain {chain} of {table}" for table, chain in chains(self._saved()) - self._before]
        mounts = [f"mount {mount}" for mount in mounts_below(self._work)]
        return firewall + mounts

    def _remove_chains(self) -> None:
        new = chains(self._saved()) - self._before
        for table, _ in new:
            for rule in jumps(self._shell.run(["iptables", "-t", table, "-S"]), {chain for _, chain in new}):
                self._shell.try_(["iptables", "-t", table, "-D", *rule])
        for action in ("-F", "-X"):
            for table, chain in new:
                self._shell.try_(["iptables", "-t", table, action, chain])

    def _saved(self) -> str:
        return self._shell.run(["iptables-save"])


def chains(saved: str) -> set[tuple[str, str]]:
    """Table and name of netavark's chains in what iptables-save writes."""
    found = set()
    for section in saved.split("\n*"):
        table = section.lstrip("*").partition("\n")[0].strip()
        found |= {(table, chain) for chain in _CHAIN.findall(section)}
    return found


def jumps(rules: str, to: set[str]) -> list[list[str]]:
    """Rules of other chains that lead into these, as arguments to delete them by. From what `iptables -S` writes."""
    found = []
    for line in rules.splitlines():
        words = re.sub(r'-m comment --comment (".*?"|\S+) ', "", line).split()
        if words[:1] == ["-A"] and words[1] not in to and words[-2:-1] == ["-j"] and words[-1] in to:
            found.append(_with_comment(line))
    return found


def _with_comment(line: str) -> list[str]:
    """A rule as `iptables -S` writes it, split into arguments, without its `-A`."""
    return [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)][1:]


def mounts_below(directory: Path) -> list[str]:
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [point for point in points if point.startswith(f"{directory}/")]


def remove_groups(root: Path) -> None:
    """Empty control groups that podman made. Those with processes in them stay."""
    for group in sorted(root.glob("*/libpod_parent/**/"), reverse=True):
        try:
            group.rmdir()
        except OSError:
            continue


def environment(work: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Of buildah and podman: temporary files and caches below `work`, builds without a container runtime."""
    temporary = work / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    return {**environ, "TMPDIR": str(temporary), "BUILDAH_ISOLATION": "chroot"}


def need(condition: object, text: str) -> None:
    """`VerificationFailed` unless it holds."""
    if not condition:
        raise VerificationFailed(text)
