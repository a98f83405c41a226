"""`make ps | head -3`: a reader that has read enough is no error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from deploy.local.stack import ROOT


def test_a_reader_that_goes_away_gets_no_traceback(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", "ps"],
        cwd=ROOT,
        env={**os.environ, "BOTEL_VAR": str(tmp_path)},
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
