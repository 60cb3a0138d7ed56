"""What goes to a host, and what must not."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from ntplab.hosted import pack

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    top = tmp_path / "clone"
    files = {
        "LICENSE": "MIT", "requirements.txt": "", "ntplab": "#!/bin/sh",
        "compose/compose.yaml": "services: {}", "compose/secrets/page_token": "secret",
        "compose/.env": "secret", "images/base/Dockerfile": "FROM x",
        "images/host-ca.crt": "ours", "images/vclock/build/libvclock.so": "built",
        "images/vclock/vclock.c": "int x;", "orchestrator/ntplab/__init__.py": "",
        "orchestrator/ntplab/__pycache__/x.pyc": "", "tests/test_x.py": "", "runs/1/x": "",
    }  # fmt: skip
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    (top / "ntplab").chmod(0o755)
    return top


def test_secrets_and_leftovers_stay_here(repository: Path) -> None:
    assert [path.as_posix() for path in pack.packed_files(repository)] == [
        "LICENSE", "compose/compose.yaml", "images/base/Dockerfile", "images/vclock/vclock.c",
        "ntplab", "orchestrator/ntplab/__init__.py", "requirements.txt",
    ]  # fmt: skip


def test_the_archive_depends_on_nothing_but_contents(repository: Path) -> None:
    before = pack.pack(repository)
    (repository / "LICENSE").touch()
    assert pack.pack(repository) == before
    (repository / "LICENSE").write_text("other")
    assert pack.pack(repository) != before
    with tarfile.open(fileobj=io.BytesIO(before)) as tar:
        assert tar.getmember("ntplab").mode == 0o755
        assert tar.getmember("LICENSE").mode == 0o644


def test_one_archive_is_kept(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "into"
    images = tmp_path / "images.tar"
    images.write_bytes(b"abc")

    def told(*more: str) -> dict[str, str]:
        assert pack.main([str(repository), "--into", str(into), *more]) == 0
        return dict(json.loads(capsys.readouterr().out))

    first = told("--images", str(images))
    assert first["images"].startswith("ba7816bf")
    assert told() == {**first, "images": ""}
    (repository / "LICENSE").write_text("other")
    second = told()
    assert second["code"] != first["code"]
    assert [str(path) for path in into.iterdir()] == [second["archive"]]


def test_everything_that_the_stack_is_built_from_goes_along() -> None:
    packed = {path.as_posix() for path in pack.packed_files(REPO)}
    assert {
        "compose/compose.yaml", "compose/secrets.sh", "compose/seccomp.json",
        "compose/page/Dockerfile", "images/base/Dockerfile", "ntplab", "requirements.txt",
        "orchestrator/ntplab/hosted/__main__.py",
    } <= packed  # fmt: skip
    assert not any("secrets/" in name or name.endswith(".pyc") for name in packed)
