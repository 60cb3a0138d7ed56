"""The two-way stream of a running `docker exec`. Used by `docker.py` and `terminal.py`."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from typing import IO

STDOUT = 1
STDERR = 2
_CHUNK_BYTES = 65536


class ExecStream:
    """`reader` yields what the command writes, `sock` takes what it reads.

    Reading goes through the buffered reader that parsed the HTTP answer, not through the bare
    socket: a fast command's first words may already be in that buffer.
    """

    def __init__(self, reader: IO[bytes], sock: socket.socket, hang_up: Callable[[], None]) -> None:
        self._reader = reader
        self._sock = sock
        self._hang_up = hang_up
        sock.settimeout(None)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """(STDOUT or STDERR, bytes) until the command ends. For commands without a tty."""
        while len(header := self._reader.read(8)) == 8:
            stream, length = struct.unpack(">BxxxL", header)
            yield stream, self._reader.read(length)

    def chunks(self) -> Iterator[bytes]:
        """Everything as it comes. For commands with a tty, whose output is one stream."""
        while chunk := self._reader.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]
            yield chunk

    def send(self, data: bytes) -> bool:
        """Pass input on. False when the command no longer reads."""
        try:
            self._sock.sendall(data)
        except OSError:
            return False
        return True

    def end_input(self) -> None:
        """The command sees the end of its standard input."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Hang up."""
        self._hang_up()
        with contextlib.suppress(OSError):
            self._sock.close()
