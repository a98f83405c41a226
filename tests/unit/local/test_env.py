import stat
from pathlib import Path

import pytest

from deploy.local.__main__ import main
from deploy.local.env import DEV_KEY_PREFIX, ensure_api_key, merged_env, read_dotenv, unread_lines, without_settings
from deploy.local.state import ports_of


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("A=1", {"A": "1"}),
        ("export A = 1", {"A": "1"}),
        ('A="two words # no comment"', {"A": "two words # no comment"}),
        ("A='1'  # comment", {"A": "1"}),
        ("A=1 # comment", {"A": "1"}),
        ("A=sk#1=", {"A": "sk#1="}),
        ("A=", {"A": ""}),
        ("# A=1", {}),
        ("nonsense", {}),
        ("1A=1", {}),
        ("", {}),
        ("\ufeffA=1", {"A": "1"}),
    ],
)
def test_lines_of_a_dotenv(tmp_path: Path, line: str, read: dict[str, str]) -> None:
    (tmp_path / ".env").write_text(line + "\n")

    assert read_dotenv(tmp_path / ".env") == read


def test_lines_that_set_nothing_are_told_by_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert unread_lines(path) == []
    path.write_text("A=1\n\n# a comment\nOPENAI_API_KEY sk-1\nexport B='2'\n1C=3\n")
    assert unread_lines(path) == [4, 6]


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"\xff\xfeBOTEL_API_KEY=x")
    with pytest.raises(ValueError, match=r"\.env is not text"):
        read_dotenv(path)


def test_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "var"
    taken.write_text("a file")
    monkeypatch.setenv("BOTEL_VAR", str(taken))
    monkeypatch.setenv("BOTEL_STACK", "native")
    monkeypatch.setenv("BOTEL_API_KEY", "a-key")
    assert main(["up"]) == 1
    assert str(taken) in capsys.readouterr().err


def test_the_environment_wins_and_an_empty_line_sets_nothing() -> None:
    assert merged_env({"A": "real"}, {"A": "file", "B": "file", "C": ""}) == {"A": "real", "B": "file"}


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / ".env"

    assert ensure_api_key(path, {})
    key = read_dotenv(path)["BOTEL_API_KEY"]

    assert key.startswith(DEV_KEY_PREFIX)
    assert len(key) > 30
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not ensure_api_key(path, {})
    assert read_dotenv(path)["BOTEL_API_KEY"] == key


def test_the_rest_of_the_file_is_kept_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("OPENAI_API_KEY=sk-1\nBOTEL_API_KEY=\nBOTEL_LOG_LEVEL=DEBUG")
    path.chmod(0o644)

    assert ensure_api_key(path, {})

    read = read_dotenv(path)
    assert (read["OPENAI_API_KEY"], read["BOTEL_LOG_LEVEL"]) == ("sk-1", "DEBUG")
    assert read["BOTEL_API_KEY"].startswith(DEV_KEY_PREFIX)
    assert path.read_text().count("BOTEL_API_KEY") == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_in_the_environment_is_enough(tmp_path: Path) -> None:
    assert not ensure_api_key(tmp_path / ".env", {"BOTEL_API_KEY": "mine"})
    assert not (tmp_path / ".env").exists()


def test_nothing_of_the_users_settings_is_left() -> None:
    environ = {"PATH": "/bin", "REDIS_URL": "redis://x", "OPENAI_API_KEY": "k", "BOTEL_STACK": "native", "HOME": "/h"}

    assert without_settings(environ) == {"PATH": "/bin", "HOME": "/h"}


def test_ports_are_the_users_or_the_usual_ones() -> None:
    assert ports_of({"BOTEL_TEXT_PORT": "9000", "BOTEL_STORE_PORT": ""}, {"TEXT": 8080, "STORE": 8081}) == {
        "TEXT": 9000,
        "STORE": 8081,
    }


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "80 80"])
def test_a_port_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="BOTEL_TEXT_PORT="):
        ports_of({"BOTEL_TEXT_PORT": text}, {"TEXT": 8080})
