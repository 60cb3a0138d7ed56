"""What `report --pdf` and `slides` say when Chromium is missing, fails, hangs or lies."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ntplab.errors import DiskError, ExitCode, PdfError
from ntplab.report import find_chromium, write_pdf
from ntplab.report.pdf import command

PAGE = b"<!doctype html><title>x</title>"


def program(folder: Path, script: str) -> str:
    """A browser that does what `script` says; its last argument but one names the PDF."""
    path = folder / "browser"
    path.write_text(
        f"#!/bin/sh\nfor a; do case $a in --print-to-pdf=*) pdf=${{a#*=}};; esac; done\n{script}\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_without_chromium_it_says_how_to_get_it() -> None:
    with pytest.raises(PdfError, match="none is installed") as caught:
        find_chromium(which=lambda name: None)
    assert "apt-get install -y chromium" in caught.value.hint
    assert caught.value.exit_code == ExitCode.LAB_FAILED


def test_the_first_that_is_installed_is_taken_and_a_named_one_alone() -> None:
    installed = {"chromium-browser": "/snap/chromium", "google-chrome": "/opt/chrome"}
    assert find_chromium(which=installed.get) == "/snap/chromium"
    assert find_chromium("google-chrome", which=installed.get) == "/opt/chrome"
    with pytest.raises(PdfError, match="firefox: no such program"):
        find_chromium("firefox", which=installed.get)


def test_a_pdf_is_put_into_its_place_whole(tmp_path: Path) -> None:
    browser = program(tmp_path, 'printf "%%PDF-1.4 x" >"$pdf"')
    made = write_pdf(PAGE, tmp_path / "new" / "r.pdf", browser)
    assert made.read_bytes() == b"%PDF-1.4 x"
    assert [path.name for path in made.parent.iterdir()] == ["r.pdf"]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo cannot open display; exit 3", "exit code 3"),
        ("exit 0", "made no PDF"),
        ('echo hello >"$pdf"', "made no PDF"),
    ],
    ids=["fails", "makes nothing", "makes something else"],
)
def test_a_browser_that_makes_no_pdf_is_quoted(tmp_path: Path, script: str, says: str) -> None:
    target = tmp_path / "r.pdf"
    target.write_bytes(b"%PDF of before")
    with pytest.raises(PdfError, match=says) as caught:
        write_pdf(PAGE, target, program(tmp_path, script))
    assert (
        "echo" not in script
        or "cannot" not in script
        or caught.value.log_tail == ("cannot open display",)
    )
    assert target.read_bytes() == b"%PDF of before"


def test_a_browser_that_hangs_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(PdfError, match="within 0 s"):
        write_pdf(PAGE, tmp_path / "r.pdf", program(tmp_path, "exec sleep 60"), timeout_s=0.2)


def test_a_program_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(PdfError, match="No such file"):
        write_pdf(PAGE, tmp_path / "r.pdf", str(tmp_path / "nothing"))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    browser = program(tmp_path, 'printf "%%PDF-1.4 x" >"$pdf"')
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match=r"r\.pdf: cannot be written"):
        write_pdf(PAGE, tmp_path / "file" / "r.pdf", browser)


def test_the_browser_gets_no_network_and_a_profile_of_its_own(tmp_path: Path) -> None:
    argv = command("chromium", tmp_path / "a.html", tmp_path / "a.pdf", tmp_path)
    assert "--host-resolver-rules=MAP * ~NOTFOUND" in argv
    assert f"--user-data-dir={tmp_path / 'profile'}" in argv
    assert argv[-1] == (tmp_path / "a.html").as_uri()
