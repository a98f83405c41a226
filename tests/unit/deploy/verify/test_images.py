"""What is wrong with an image is found: every fault planted, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.local.services import SERVICES
from deploy.verify import images
from deploy.verify.images import Image, found_in, of_files, of_settings

SECRETS = {"BOTEL_API_KEY": "dev-0123456789abcdef"}
PRIVATE_KEY = b"-----BEGIN RSA PRIVATE KEY-----\n" + b"MIIEowIBAAKCAQEA" * 4


def image(**changed: Any) -> Image:
    config = {
        "User": "10001:10001",
        "Env": ["SERVICE=brain"],
        "Labels": {"org.opencontainers.image.title": "botel-brain"},
    }
    return Image("brain", "localhost/botel-brain:0.1.0", 1, {"Config": {**config, **changed}, "History": []})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files of an image as it should be."""
    packages = tmp_path / "app/.venv/lib/python3.11/site-packages"
    for directory in (
        packages / "langchain",
        tmp_path / "app/services/brain",
        tmp_path / "app/libs",
        tmp_path / "data",
    ):
        directory.mkdir(parents=True)
    (tmp_path / "app/services/brain/app.py").write_text("code")
    return tmp_path


def test_an_image_as_it_should_be_has_no_fault(root: Path) -> None:
    assert list(of_settings(image(), SECRETS)) == []
    assert list(of_files(root, "brain", SECRETS)) == []


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"User": ""}, "runs as ''"),
        ({"User": "root"}, "runs as 'root'"),
        ({"Env": ["BOTEL_API_KEY=dev-0123456789abcdef"]}, "BOTEL_API_KEY is in its settings"),
        ({"Labels": None}, "is not labelled with its name"),
    ],
)
def test_a_fault_of_what_it_says_of_itself_is_found(changed: dict[str, Any], fault: str) -> None:
    assert list(of_settings(image(**changed), SECRETS)) == [fault]


def plant(name: str, content: bytes = b"x") -> Callable[[Path], object]:
    def put(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)

    return put


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (plant("app/services/text_gateway/app.py"), "has the code of ['brain', 'text_gateway']"),
        (plant("app/.venv/lib/python3.11/site-packages/livekit/rtc.py"), "has livekit"),
        (plant("app/.venv/lib/python3.11/site-packages/pytest/main.py"), "has pytest"),
        (plant("usr/local/bin/uv"), "has uv"),
        (plant("app/.env"), "app/.env is named like a secret"),
        (plant("app/livekit.keys"), "app/livekit.keys is named like a secret"),
        (plant("app/libs/a.py", b"key = 'dev-0123456789abcdef'"), "app/libs/a.py: BOTEL_API_KEY"),
        (plant("app/libs/b.txt", PRIVATE_KEY), "app/libs/b.txt: a private key"),
        (lambda root: (root / "app/services/brain/app.py").chmod(0o666), "app/services/brain/app.py can be changed"),
    ],
)
def test_a_fault_of_its_files_is_found(root: Path, harm: Callable[[Path], object], fault: str) -> None:
    harm(root)

    assert list(of_files(root, "brain", SECRETS)) == [fault]


def test_the_name_of_a_private_key_without_one_is_none() -> None:
    assert found_in(b'MARK = "-----BEGIN PRIVATE KEY-----"', {}) == []
    assert found_in(b"\x7fELF\0" + PRIVATE_KEY, {}) == [], "a library's test of itself"
    assert found_in(b"\x7fELF\0 dev-0123456789abcdef", SECRETS) == ["BOTEL_API_KEY"]


def test_every_service_is_looked_at() -> None:
    assert set(images.OURS) == set(images.FOREIGN_CODE) == {service.name for service in SERVICES}
