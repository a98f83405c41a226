"""A brain without its fence, for `BREAK=fence`: who has lost a conversation goes on, and nobody stops it.

Run in place of `python -m services.brain`; shows that the auditor would notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from libs.bus import bus, worker
from libs.bus.scripts import Script, load_scripts, script
from libs.process import run
from services.brain import app

_FENCES = {
    "emit": "if s[1] ~= 'running' or s[2] ~= ARGV[1] or s[3] ~= ARGV[2] then return { 'fenced' } end",
    "journal": "if s[1] ~= 'running' or s[2] ~= ARGV[1] or s[3] ~= ARGV[2] then return { 'fenced' } end",
    "commit": "if s[1] ~= 'running' or s[2] ~= worker or s[3] ~= epoch then",
}


def unfenced() -> Mapping[str, Script]:
    """The scripts without their fences. `ValueError` when one has none of this wording any more."""
    scripts = dict(load_scripts())
    for name, fence in _FENCES.items():
        text = scripts[name].text
        if fence not in text:
            raise ValueError(f"{name}.lua has no such fence")
        scripts[name] = script(name, text.replace(fence, "if false then" if name == "commit" else ""))
    return MappingProxyType(scripts)


def main() -> None:
    """Take the fences out of the scripts, and the worker's own stop when its lease is lost."""
    texts = unfenced()
    bus.load_scripts = lambda: texts  # type: ignore[assignment,attr-defined]
    worker._Shard.lapse = lambda self: None  # type: ignore[method-assign]
    run(app.run())


if __name__ == "__main__":
    main()
