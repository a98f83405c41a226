"""Passwords of Redis's users: made once, readable by their owner only, changed without an outage."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from deploy.redis.__main__ import main
from deploy.redis.passwords import (
    NAMES,
    PASSWORDS_FILE,
    begin_change,
    end_change,
    kept_passwords,
    operator_url,
    url_of,
    write_users,
)


def test_they_are_made_once_and_those_that_are_missing_are_added(tmp_path: Path) -> None:
    kept = tmp_path / PASSWORDS_FILE
    first = kept_passwords(kept)
    assert set(first) == set(NAMES)
    assert len({password for words in first.values() for password in words}) == len(NAMES)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept_passwords(kept) == first
    kept.write_text("".join(f"{name}: {words[0]}\n" for name, words in first.items() if name != "brain"))
    again = kept_passwords(kept)
    assert again["brain"] != first["brain"]
    assert {**again, "brain": first["brain"]} == first


def test_while_one_is_changed_both_are_good_and_the_new_one_is_given_out(tmp_path: Path) -> None:
    kept, users = tmp_path / PASSWORDS_FILE, tmp_path / "users.acl"
    (old,) = kept_passwords(kept)["brain"]
    begin_change(kept, "brain")
    both = kept_passwords(kept)
    assert both["brain"][1:] == [old]
    assert url_of("brain", both, "h:1") == f"redis://brain:{both['brain'][0]}@h:1/0"
    write_users(users, both)
    (line,) = (one for one in users.read_text().splitlines() if one.startswith("user brain "))
    assert line.count(" #") == 2
    end_change(kept, "brain")
    assert kept_passwords(kept)["brain"] == both["brain"][:1]
    with pytest.raises(ValueError, match="no user 'nobody'"):
        begin_change(kept, "nobody")


def test_the_operator_s_url(tmp_path: Path) -> None:
    kept = tmp_path / PASSWORDS_FILE
    assert operator_url(kept, "h:1") == "redis://h:1/0"
    assert not kept.exists(), "who looks makes no passwords"
    (password,) = kept_passwords(kept)["operator"]
    assert operator_url(kept, "h:1") == f"redis://operator:{password}@h:1/0"


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env = {"BOTEL_VAR": str(tmp_path)}
    assert main(["users", str(tmp_path / "users.acl")], env) == 0
    assert main(["url", "brain", "--at", "redis:6379"], env) == 0
    before = capsys.readouterr().out.splitlines()[-1]
    assert before.startswith("redis://brain:")
    assert before.endswith("@redis:6379/0")
    assert main(["change", "brain"], env) == 0
    assert main(["url", "brain", "--at", "redis:6379"], env) == 0
    assert capsys.readouterr().out.splitlines()[-1] != before
    assert main(["change", "brain", "--end"], env) == 0
    assert len(kept_passwords(tmp_path / PASSWORDS_FILE)["brain"]) == 1
    capsys.readouterr()
    assert main(["exports"], env) == 0
    exported = capsys.readouterr().out
    assert exported.count("export BOTEL_REDIS_") == 5
    assert (
        f"export BOTEL_REDIS_URL_BRAIN=redis://brain:{kept_passwords(tmp_path / PASSWORDS_FILE)['brain'][0]}@redis"
        in (exported)
    )
    with pytest.raises(SystemExit):
        main(["url", "nobody"], env)
