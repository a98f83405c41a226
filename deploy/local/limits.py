"""Sizes that the project keeps to: files of 300 lines, functions of 50, no sleep in a test. Part of `make check`."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50


def tracked(root: Path) -> list[Path]:
    """Python files that git knows or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return [root / line for line in sorted(set(told.splitlines())) if (root / line).is_file()]


def findings(name: str, source: str) -> Iterator[str]:
    """What in this file is over a limit, as `name:line what`."""
    lines = source.splitlines()
    if len(lines) > MAX_FILE_LINES:
        yield f"{name}:1 file of {len(lines)} lines, {MAX_FILE_LINES} at most"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{name}:{node.lineno} {node.name} of {length} lines, {MAX_FUNCTION_LINES} at most"
            if name.startswith("tests/"):
                yield from (f"{name}:{line} sleeps: wait for what should happen" for line in _sleeps(node))


def _sleeps(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[int]:
    """Lines where a function sleeps; giving way (`sleep(0)`) is none, and a fake that streams may pace itself."""
    nodes = list(ast.walk(function))
    if any(isinstance(node, ast.Yield) for node in nodes):
        return []
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".sleep")]
    return [call.lineno for call in calls if ast.unparse(call).partition("(")[2] != "0)"]


def main(root: Path) -> int:
    files = tracked(root)
    found = [text for path in files for text in findings(str(path.relative_to(root)), path.read_text())]
    for text in found:
        print(text)
    print(f"limits: {len(files)} files, {len(found)} over a limit")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))
