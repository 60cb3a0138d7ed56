"""What the preload cannot reach, told from programs made here; how the user hears of it."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ntplab.driver.base import ExecResult
from ntplab.driver.fake import FakeDriver
from ntplab.reach import inspector, listed, unreached_programs, warning_about
from ntplab.topology import NodeSpec

MAIN = "int main(void) { return 0; }\n"
# What Go's linker writes: a note of the owner "Go", type 4, or a section about the build.
GO_NOTE = """
__attribute__((section(".note.go.buildid"), used, aligned(4)))
static const struct { unsigned owner, size, type; char name[4], id[4]; } note =
  {4, 4, 4, "Go", "abc"};
"""
GO_SECTION = '__attribute__((section(".go.buildinfo"), used)) static int info = 1;\n'

Compile = Callable[..., Path]


@pytest.fixture
def compiled(tmp_path: Path) -> Compile:
    """Compiles a program: `compiled(source, *options, compiler=...)`."""

    def make(source: str, *options: str, compiler: str = "gcc") -> Path:
        (tmp_path / "program.c").write_text(source)
        program = tmp_path / "program"
        command = [compiler, *options, "-o", str(program), str(tmp_path / "program.c")]
        subprocess.run(command, check=True)
        return program

    return make


@pytest.mark.parametrize(
    ("source", "options", "why"),
    [
        (MAIN, ["-pie"], None),
        (MAIN, ["-no-pie"], None),
        (MAIN, ["-static"], "static"),
        (MAIN, ["-static-pie"], "static"),
        (MAIN, ["-shared", "-fPIC"], None),
        (GO_NOTE + MAIN, [], "go"),
        (GO_NOTE + MAIN, ["-static"], "go"),
        (GO_SECTION + MAIN, [], "go"),
        (MAIN, ["-Wl,--dynamic-linker=/lib/ld-uClibc.so.0"], "other libc"),
    ],
)
def test_a_program_is_judged_by_its_file(
    compiled: Compile, source: str, options: list[str], why: str | None
) -> None:
    assert inspector.why_unreached(str(compiled(source, *options))) == why


def test_a_program_of_musl(compiled: Compile) -> None:
    assert inspector.why_unreached(str(compiled(MAIN, compiler="musl-gcc"))) == "musl"
    static = compiled(MAIN, "-static", compiler="musl-gcc")
    assert inspector.why_unreached(str(static)) == "static"


def test_a_program_of_another_architecture(compiled: Compile) -> None:
    program = compiled(MAIN)
    image = bytearray(program.read_bytes())
    image[4] = 1  # ELFCLASS32
    program.write_bytes(image)
    assert inspector.why_unreached(str(program)) == "foreign"


def test_setuid_counts_where_it_gains_something(
    compiled: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = compiled(MAIN)
    program.chmod(0o4755)
    monkeypatch.setattr(inspector, "_no_new_privs", lambda: False)
    assert inspector.why_unreached(str(program)) is None, "it is our own"
    monkeypatch.setattr(os, "geteuid", lambda: program.stat().st_uid + 1)
    assert inspector.why_unreached(str(program)) == "setuid"
    monkeypatch.setattr(inspector, "_no_new_privs", lambda: True)
    assert inspector.why_unreached(str(program)) is None


@pytest.mark.parametrize("first_line", ["#!{}", "#! {} -x", "#!/usr/bin/env -S A=b {} x"])
def test_a_script_is_judged_by_its_interpreter(
    compiled: Compile, tmp_path: Path, first_line: str
) -> None:
    script = tmp_path / "script"
    script.write_text(first_line.format(compiled(MAIN, "-static")) + "\n")
    assert inspector.why_unreached(str(script)) == "static"


@pytest.mark.parametrize("content", [b"", b"#!", b"\x7fELF", b"#!/no/such/program\n", b"text"])
def test_what_is_no_program_is_no_matter(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert inspector.why_unreached(str(path)) is None


def test_a_script_that_is_its_own_interpreter_ends(tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text(f"#!{path}\n")
    path.chmod(0o755)
    assert inspector.why_unreached(str(path)) is None


def test_a_damaged_program_does_not_stop_the_list(
    compiled: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compiled(MAIN, "-static")
    folder = tmp_path / "bin"
    folder.mkdir()
    whole.rename(folder / "whole")
    (folder / "link").symlink_to(folder / "whole")
    (folder / "cut").write_bytes((folder / "whole").read_bytes()[:100])
    (folder / "plain").write_bytes((folder / "whole").read_bytes())
    (folder / "cut").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:/no/such/folder")
    assert inspector.programs() == {str(folder / "whole"): "static"}


# how the user hears of it


@pytest.fixture
def lab() -> FakeDriver:
    driver = FakeDriver()
    driver.create("lab", NodeSpec("lyon", "server", "ntplab/booking"), {}, {})
    driver.start("lab", "lyon")
    return driver


def test_the_inspector_runs_as_it_is_sent(
    lab: FakeDriver, compiled: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_node: str, argv: object, _stdin: bytes | None) -> ExecResult:
        assert isinstance(argv, list)
        done = subprocess.run(argv, capture_output=True, text=True)
        return ExecResult(done.returncode, done.stdout, done.stderr)

    lab.answer(["python3"], run)
    program = compiled(MAIN, "-static")
    monkeypatch.setenv("VCLOCK_PAGE", "/clock/page")
    said = warning_about(lab, "lab", "lyon", str(program))
    assert said == (
        f"{program} is linked statically, so that nothing can be preloaded: "
        "it sees the host's clock"
    )
    assert warning_about(lab, "lab", "lyon", "no-such-program") is None
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    assert unreached_programs(lab, "lab", "lyon")[str(program)] == "static"
    monkeypatch.delenv("VCLOCK_PAGE")
    assert warning_about(lab, "lab", "lyon", str(program)) is None, "on the host's clock by design"


def test_a_container_without_python_is_not_judged(lab: FakeDriver) -> None:
    lab.answer(["python3"], ExecResult(127, "", "no such file"))
    assert warning_about(lab, "lab", "lyon", "date") is None
    assert unreached_programs(lab, "lab", "lyon") == {}


def test_every_reason_has_words() -> None:
    from ntplab.reach.asking import WORDS

    reasons = {"static", "go", "setuid", "foreign", "musl", "other libc"}
    assert WORDS.keys() == reasons


def test_a_long_list_is_cut() -> None:
    found = {f"/bin/p{i:02}": "go" for i in range(10)}
    assert listed(found).startswith("p00 (go), p01 (go)")
    assert listed(found).endswith("p07 (go), and 2 more")
    assert listed({"/bin/p": "go"}) == "p (go)"
