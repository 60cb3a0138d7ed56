"""The main program of every container of the demo stack: starts the real one, and lends a hand.

Standard library only: it runs in every image, and is put there by `preparing.py`.

    hands.py NODE -- PROGRAM [ARG...]

Before PROGRAM it puts the files of /config/NODE where they belong. Beside it, it listens on
/hands/socket, which only the page can reach, and runs what /config/NODE.json allows: each argument
and the standard input have to match a pattern. One request a connection: a line of JSON in; a line
of JSON out, then as many bytes of output and errors as that says.

With `stream` in NODE.json, PROGRAM's output is not printed but kept, the last lines of it, for
whoever follows. With `anchor` it is given the anchor of lab time; `on_request`: it is started when
asked.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG = Path("/config")
SOCKET = Path("/hands/socket")
CLOCK_WITHIN_S = 60.0
REQUEST_BYTES_MAX = 1 << 20
TOGETHER_MAX = 8
LINES_KEPT = 400
BACKLOG_MAX = 4000
RUN_WITHIN_S = 60.0
READER = "reader"


class Stream:
    """The last lines of the program's output, and who follows them. `first` is kept for good."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._lines: deque[bytes] = deque(maxlen=BACKLOG_MAX)
        self._first: bytes | None = None
        self._count = 0
        self.life = 0

    def add(self, line: bytes) -> None:
        with self._changed:
            if self._first is None:
                self._first = line
            self._lines.append(line)
            self._count += 1
            self._changed.notify_all()

    def clear(self) -> None:
        """Another life of the program begins: who followed the last one is let go."""
        with self._changed:
            self._lines.clear()
            self._first, self._count = None, 0
            self.life += 1
            self._changed.notify_all()

    def follow(self, connection: socket.socket, tail: int) -> None:
        """Send the first line, the last `tail`, and every new one, until the other side goes."""
        with self._changed:
            life, at = self.life, max(0, self._count - min(tail, LINES_KEPT))
            first = self._first if at > 0 else None
        if first is not None:
            connection.sendall(first)
        while True:
            with self._changed:
                while self._count <= at and self.life == life and not _gone(connection):
                    self._changed.wait(5)
                if self._count <= at or self.life != life:
                    return
                fresh = list(self._lines)[-(self._count - at) :]
                at = self._count
            connection.sendall(b"".join(fresh))


class Hands:
    """One node's. `about` is its NODE.json."""

    def __init__(self, about: Mapping[str, Any], program: list[str]) -> None:
        self._about, self._program = about, program
        self._allowed = [
            ([re.compile(part) for part in one["argv"]], one.get("stdin"))
            for one in about.get("allowed", [])
        ]
        self._stream = Stream()
        self._life = os.urandom(8).hex().encode()
        self._changing = threading.Lock()
        self._at_once = threading.BoundedSemaphore(TOGETHER_MAX)
        self._child: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the program; its output goes to the stream, where it has one."""
        streams = bool(self._about.get("stream"))
        self._child = subprocess.Popen(
            self._program,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE if streams else None,
        )
        if streams:
            self._reader = threading.Thread(
                target=self._read, args=(self._child,), name=READER, daemon=True
            )
            self._reader.start()

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                self._stream.add(line)

    def wait(self) -> int:
        """The program's exit code, once it ended by itself."""
        while True:
            child = self._child
            if child is not None and child.poll() is not None:
                with self._changing:
                    if child is self._child:
                        return child.returncode
            time.sleep(0.1)

    def _restart(self, environment: Mapping[str, str]) -> None:
        """End the program and start it anew; only where it runs on request."""
        with self._changing:
            if self._child is not None:
                self._child.terminate()
                try:
                    self._child.wait(5)
                except subprocess.TimeoutExpired:
                    self._child.kill()
                    self._child.wait()
            if self._reader is not None:
                self._reader.join(5)  # or its last words would be the next one's first
            self._stream.clear()
            self.start(environment)

    # requests

    def answer(self, connection: socket.socket) -> None:
        """One request of the page."""
        with connection:
            connection.settimeout(RUN_WITHIN_S)
            try:
                request = _read_request(connection)
                do = request.get("do")
                if do == "follow" and self._about.get("stream"):
                    self._stream.follow(connection, int(request.get("tail", LINES_KEPT)))
                elif do == "restart" and self._about.get("on_request"):
                    self._restart({"NTPLAB_ANCHOR_NS": str(int(request["anchor_ns"]))})
                    _send(connection, 0, b"", b"")
                elif do == "look":
                    _send(connection, 0, self._life, b"")
                elif do == "run":
                    with self._at_once:
                        _send(connection, *self._run(request))
                else:
                    _send(connection, 126, b"", b"hands: no such request here\n")
            except (OSError, ValueError, KeyError, TypeError) as error:
                print(f"hands: {type(error).__name__}: {error}", file=sys.stderr, flush=True)

    def _run(self, request: Mapping[str, Any]) -> tuple[int, bytes, bytes]:
        argv = [str(part) for part in request["argv"]]
        stdin = base64.b64decode(request["stdin"]) if request.get("stdin") else b""
        if not self.allows(argv, stdin):
            print(f"hands: refused {argv[:3]}", file=sys.stderr, flush=True)
            return 126, b"", f"hands: not allowed here: {argv[0]}\n".encode()
        anchor = {"NTPLAB_ANCHOR_NS": str(anchor_ns())} if self._about.get("anchor") else {}
        try:
            done = subprocess.run(
                argv, input=stdin, capture_output=True, timeout=RUN_WITHIN_S, check=False,
                env={**os.environ, **anchor},
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return 125, b"", f"hands: {error}\n".encode()
        return done.returncode, done.stdout, done.stderr

    def allows(self, argv: list[str], stdin: bytes) -> bool:
        """Whether the list has a line that all of it matches."""
        for patterns, wanted in self._allowed:
            if len(patterns) != len(argv):
                continue
            if not all(p.fullmatch(part) for p, part in zip(patterns, argv, strict=True)):
                continue
            given = stdin.decode("utf-8", errors="replace")
            if re.fullmatch(wanted or "", given, re.DOTALL if wanted == ".*" else 0):
                return True
        return False


def _read_request(connection: socket.socket) -> dict[str, Any]:
    text = b""
    while not text.endswith(b"\n"):
        chunk = connection.recv(65536)
        if not chunk or len(text) > REQUEST_BYTES_MAX:
            raise ValueError("no whole request")
        text += chunk
    request = json.loads(text)
    if not isinstance(request, dict):
        raise ValueError("a request is an object")
    return request


def _gone(connection: socket.socket) -> bool:
    """Whether the other side has closed; it has nothing more to say."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(RUN_WITHIN_S)


def _send(connection: socket.socket, exit_code: int, stdout: bytes, stderr: bytes) -> None:
    about = {"exit_code": exit_code, "stdout": len(stdout), "stderr": len(stderr)}
    connection.sendall(json.dumps(about).encode() + b"\n" + stdout + stderr)


def put_files(node: str, root: Path = Path("/")) -> None:
    """The files of /config/NODE, at the same paths below `root`."""
    folder = CONFIG / node
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            target = root / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())


def wait_for(path: Path) -> None:
    """The observer makes every clock before its machine starts."""
    deadline = time.monotonic() + CLOCK_WITHIN_S
    while not path.exists():
        if time.monotonic() > deadline:
            sys.exit(f"hands: {path} was not made within {CLOCK_WITHIN_S:g} s")
        time.sleep(0.05)


def anchor_ns(file: Path = Path("/clocks/ntp1/anchor")) -> int:
    """What the first observer of this boot anchored lab time to. It lies beside a clock page, in
    memory that is gone when the clocks are: raw time begins anew at every boot."""
    try:
        return int(file.read_text())
    except FileNotFoundError:
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        utc_ns = time.time_ns()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        draft = file.with_suffix(".new")
        draft.write_text(str(utc_ns - (before + after) // 2))
        draft.rename(file)
        return anchor_ns(file)


def _listen(hands: Hands) -> None:
    SOCKET.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(SOCKET))
    server.listen(32)
    while True:
        connection, _ = server.accept()
        threading.Thread(target=hands.answer, args=(connection,), daemon=True).start()


def main(arguments: list[str]) -> int:
    """`arguments`: NODE -- PROGRAM [ARG...]; the program's exit code."""
    node, dashes, *program = arguments
    if dashes != "--" or not program:
        print((__doc__ or "").splitlines()[4].strip(), file=sys.stderr)
        return 2
    about = json.loads((CONFIG / f"{node}.json").read_text())
    os.environ.update(about.get("environment", {}))
    for folder, mode in about.get("folders", {}).items():
        Path(folder).mkdir(parents=True, exist_ok=True, mode=int(mode, 8))
    put_files(node)
    if "page" in about:
        wait_for(Path(about["page"]))
    hands = Hands(about, program)
    if not about.get("on_request"):
        hands.start({"NTPLAB_ANCHOR_NS": str(anchor_ns())} if about.get("anchor") else {})
    threading.Thread(target=_listen, args=(hands,), daemon=True).start()
    # tini tells the whole group; the program ends first, then this one.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None if hands._child else sys.exit(0))
    code = hands.wait()
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
