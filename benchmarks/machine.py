"""What the figures were measured on, said so that they can be compared and nobody's machine is named."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path

from deploy.local.redis_server import find_redis


def describe() -> dict[str, str]:
    """Cores, processor, system, Python, Redis and the clients."""
    return {
        "cores": f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}",
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "redis": f"{_redis()}, loopback, nothing kept",
        "libraries": ", ".join(
            f"{name} {importlib.metadata.version(name)}"
            for name in ("redis", "hiredis", "uvloop", "aiohttp", "fastapi", "uvicorn", "httptools")
        ),
    }


def _redis() -> str:
    binary = find_redis()
    return f"{Path(binary.path).name} {'.'.join(map(str, binary.version))}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (found := re.search(r"^model name\s*: (.+)$", cpuinfo.read_text(), re.MULTILINE)):
        return found[1]
    return platform.processor() or platform.machine()
