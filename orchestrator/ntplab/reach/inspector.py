"""Which programs a preloaded library does not reach, found out from their files.

Runs inside a container, sent there as text by `asking.py`: nothing but the standard library. The
preload is the dynamic linker's doing, so it misses programs that have none (static), that are given
none (setuid), or that have one which cannot load a library built for glibc; and Go programs have
one at times but ask the kernel for the time themselves.

    inspector.py command NAME     {"path": ..., "why": ...} or null, as JSON
    inspector.py programs         {path: why} of all programs in PATH
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

SETUID, FOREIGN, GO, STATIC, MUSL, OTHER_LIBC = (
    "setuid",
    "foreign",
    "go",
    "static",
    "musl",
    "other libc",
)

# elf(5)
_EXECUTABLE, _SHARED = 2, 3
_PT_DYNAMIC, _PT_INTERP, _PT_NOTE = 2, 3, 4
_DT_FLAGS_1, _DF_1_PIE = 0x6FFFFFFB, 0x08000000
_GO_NOTE = b"Go\0\0"
_GO_SECTION = b".go.buildinfo"
_GLIBC_LINKERS = ("ld-linux", "ld64.so", "ld.so")
_HEAD = 4096
_INTERPRETERS_MAX = 4


class Segment(NamedTuple):
    """A program header: what, and where in the file."""

    kind: int
    offset: int
    size: int


class Elf:
    """What the header of an ELF file of this machine's word size and byte order says."""

    def __init__(self, file: BinaryIO, head: bytes) -> None:
        self._file = file
        self._wide = head[4] == 2
        header = struct.unpack_from("=HHIQQQIHHHHHH" if self._wide else "=HHIIIIIHHHHHH", head, 16)
        self.kind = header[0]
        self._segments_at, self._sections_at = header[4], header[5]
        self._segment_size, self._segment_count = header[8], header[9]
        self._section_size, self._section_count, self._names_index = header[10:13]

    def read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def segments(self) -> Iterator[Segment]:
        table = self.read(self._segments_at, self._segment_size * self._segment_count)
        for at in range(0, len(table), self._segment_size):
            if self._wide:
                kind, _, offset, _, _, size = struct.unpack_from("=IIQQQQ", table, at)
            else:
                kind, offset, _, _, size = struct.unpack_from("=IIIII", table, at)
            yield Segment(kind, offset, size)

    def content(self, kind: int) -> Iterator[bytes]:
        """The bytes of every segment of a kind."""
        for segment in list(self.segments()):
            if segment.kind == kind:
                yield self.read(segment.offset, segment.size)

    def section_names(self) -> bytes:
        """All of them, each ended by a zero; empty where they were stripped."""
        if not self._sections_at or self._names_index >= self._section_count:
            return b""
        at = self._sections_at + self._section_size * self._names_index
        form, where = ("=QQ", 24) if self._wide else ("=II", 16)
        offset, size = struct.unpack_from(form, self.read(at, self._section_size), where)
        return self.read(offset, size)

    def is_position_independent_program(self) -> bool:
        """Not a library, nor the dynamic linker itself, which look the same otherwise."""
        form = "=qQ" if self._wide else "=iI"
        return any(
            tag == _DT_FLAGS_1 and value & _DF_1_PIE
            for table in self.content(_PT_DYNAMIC)
            for tag, value in struct.iter_unpack(form, table)
        )

    def is_go(self) -> bool:
        """Go's linker leaves a note, or a section about the build, in every program."""
        notes = (owner for notes in self.content(_PT_NOTE) for owner in _owners(notes))
        return _GO_NOTE in notes or _GO_SECTION in self.section_names()


def _owners(notes: bytes) -> Iterator[bytes]:
    """The owner of each note of a segment of 4-byte notes."""
    at = 0
    while at + 12 <= len(notes):
        owner, content = struct.unpack_from("=II", notes, at)
        yield notes[at + 12 : at + 12 + owner]
        at += 12 + -(-owner // 4) * 4 + -(-content // 4) * 4


def why_unreached(path: str) -> str | None:
    """The reason why the program in `path` does not see a preloaded clock; None if it does.

    A script is judged by its interpreter. Raises OSError when the file cannot be read.
    """
    for _ in range(_INTERPRETERS_MAX):
        with open(path, "rb") as file:
            head = file.read(_HEAD)
            if not head.startswith(b"#!"):
                return _why(path, file, head)
        interpreter = _interpreter(head)
        if interpreter is None:
            return None
        path = interpreter
    return None


def _interpreter(head: bytes) -> str | None:
    """The program of a script's first line; that which env(1) will find, if that is it."""
    words = os.fsdecode(head[2:].split(b"\n", 1)[0]).split()
    if words and os.path.basename(words[0]) == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return shutil.which(words[0]) if words else None


def _why(path: str, file: BinaryIO, head: bytes) -> str | None:
    if not head.startswith(b"\x7fELF") or len(head) < 64:
        return None
    if _gains_privileges(path):
        return SETUID
    if _machine(head) != _this_machine():
        return FOREIGN
    elf = Elf(file, head)
    if elf.is_go():
        return GO
    return _why_linker(elf)


def _why_linker(elf: Elf) -> str | None:
    linker = b"".join(elf.content(_PT_INTERP)).rstrip(b"\0").decode(errors="replace")
    name = os.path.basename(linker)
    if not name:
        is_program = elf.kind == _EXECUTABLE or (
            elf.kind == _SHARED and elf.is_position_independent_program()
        )
        return STATIC if is_program else None
    if name.startswith(_GLIBC_LINKERS):
        return None
    return MUSL if name.startswith("ld-musl") else OTHER_LIBC


def _machine(head: bytes) -> tuple[bytes, bytes]:
    """Word size and byte order; processor."""
    return head[4:6], head[18:20]


def _this_machine() -> tuple[bytes, bytes]:
    with open("/proc/self/exe", "rb") as file:
        return _machine(file.read(20))


def _gains_privileges(path: str) -> bool:
    """Setuid, setgid or file capabilities, and no `no_new_privs` to make them void.

    Of setuid bits, those that change nothing (one's own program) do not count.
    """
    if _no_new_privs():
        return False
    found = os.stat(path)
    if found.st_mode & 0o4000 and found.st_uid != os.geteuid():
        return True
    if found.st_mode & 0o2000 and found.st_gid != os.getegid():
        return True
    try:
        return bool(os.getxattr(path, "security.capability"))
    except OSError:
        return False


def _no_new_privs() -> bool:
    with open("/proc/self/status") as file:
        return "NoNewPrivs:\t1" in file.read()


def programs() -> dict[str, str]:
    """Every program in PATH that is not reached, links to it aside: path -> why."""
    found: dict[str, str] = {}
    for folder in os.get_exec_path():
        if not os.path.isdir(folder):
            continue
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file() and os.access(entry.path, os.X_OK):
                    _note(found, os.path.realpath(entry.path))
    return found


def _note(found: dict[str, str], path: str) -> None:
    try:
        with open(path, "rb") as file:
            why = _why(path, file, file.read(_HEAD))
    except (OSError, struct.error):
        return
    if why is not None:
        found[path] = why


def command(name: str) -> dict[str, str] | None:
    """What is to be said about the program that `name` starts on this node, if anything."""
    path = shutil.which(name)
    # A node without a page (an observer, a buyer) is on the host's clock by design.
    if path is None or not os.environ.get("VCLOCK_PAGE"):
        return None
    try:
        why = why_unreached(path)
    except (OSError, struct.error):
        return None
    return None if why is None else {"path": path, "why": why}


if __name__ == "__main__":
    print(json.dumps(programs() if sys.argv[1] == "programs" else command(sys.argv[2])))
