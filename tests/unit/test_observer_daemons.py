"""What ntpsec (1.2.3) and openntpd (6.2p3) of Debian trixie tell, in their form, as the observer
reads it; the real programs are asked in tests/lab/test_daemons.py."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from observer import mode6, ntpctl
from observer.mode6 import parse_variables, payload, request
from observer.ntpctl import parse_status

VARIABLES = (
    "leap=00, stratum=2, refid=10.151.3.2, rootdelay=0.095, rootdisp=1.250, offset=-0.107316, "
    "frequency=-49.875"
)

UNDER_WAY = """\
1/1 peers valid, clock unsynced, clock offset is 284.855ms

peer
   wt tl st  next  poll          offset       delay      jitter
10.151.2.2 ntp1
    1 10  1    5s   32s         0.308ms     0.100ms     0.036ms
"""
SYNCED = """\
2/2 peers valid, clock synced, stratum 2

peer
   wt tl st  next  poll          offset       delay      jitter
10.151.2.2 ntp1
 *  1 10  1    5s   32s         0.308ms     0.100ms     0.036ms
10.151.2.3 ntp2
    1 10  1    5s   32s        -0.108ms     0.100ms     0.036ms
"""
ALONE = """\
0/1 peers valid, clock unsynced

peer
   wt tl st  next  poll          offset       delay      jitter
10.151.2.2 ntp1
    1  2  -    5s   15s             ---- peer not valid ----
"""


def response(text: bytes, flags: int = 0x82, sequence: int = 1, offset: int = 0) -> bytes:
    return struct.pack("!BBHHHHH", 0x26, flags, sequence, 0, 0, offset, len(text)) + text


def test_ntpsec_offsets_are_turned_around_and_in_nanoseconds() -> None:
    tracking = parse_variables(VARIABLES)
    assert (tracking.offset_ns, tracking.frequency_ppm) == (107_316, 49.875)
    assert (tracking.root_delay_ns, tracking.root_dispersion_ns) == (95_000, 1_250_000)
    assert (tracking.stratum, tracking.ref_name, tracking.leap) == (2, "10.151.3.2", "Normal")


def test_ntpsec_that_follows_nobody_says_so() -> None:
    assert parse_variables(VARIABLES.replace("leap=00", "leap=11")).leap == "Not synchronised"


@pytest.mark.parametrize("gone", ["leap=00, ", "rootdisp=1.250, ", "offset=-0.107316, "])
def test_ntpsec_variables_must_all_be_there(gone: str) -> None:
    with pytest.raises(ValueError, match=gone.split("=")[0]):
        parse_variables(VARIABLES.replace(gone, ""))


def test_ntpsec_variables_must_be_numbers() -> None:
    with pytest.raises(ValueError, match="no number"):
        parse_variables(VARIABLES.replace("rootdisp=1.250", "rootdisp=soon"))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        response(b"x", flags=0xC2),  # an error
        response(b"x", flags=0xA2),  # more is to come
        response(b"x", sequence=2),
        response(b"x", offset=4),
        response(b"leap=00")[:-3],
    ],
)
def test_only_a_whole_answer_to_the_question_counts(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"expected|too short"):
        payload(message)


def test_ntpsec_is_asked_over_udp(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(10)
        monkeypatch.setattr(mode6, "NTP_PORT", daemon.getsockname()[1])
        heard: list[bytes] = []

        def answer() -> None:
            question, who = daemon.recvfrom(2048)
            heard.append(question)
            daemon.sendto(response(VARIABLES.encode()), who)

        thread = threading.Thread(target=answer)
        thread.start()
        assert mode6.ask("127.0.0.1") == parse_variables(VARIABLES)
        thread.join()
    assert heard == [request()]
    assert len(heard[0]) % 4 == 0


def test_an_ntpsec_that_is_silent_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mode6, "TIMEOUT_S", 0.1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setattr(mode6, "NTP_PORT", nobody.getsockname()[1])
        assert mode6.ask("127.0.0.1") is None


def test_openntpd_tells_what_is_left_of_a_correction() -> None:
    tracking = parse_status(UNDER_WAY)
    assert (tracking.offset_ns, tracking.leap) == (-284_855_000, "Not synchronised")
    assert (tracking.stratum, tracking.ref_name) == (None, "")
    assert (tracking.root_delay_ns, tracking.root_dispersion_ns) == (None, None)


def test_openntpd_in_sync_tells_the_median_of_its_peers() -> None:
    tracking = parse_status(SYNCED)
    assert (tracking.offset_ns, tracking.leap, tracking.stratum) == (-100_000, "Normal", 2)
    assert (tracking.ref_id, tracking.ref_name) == ("10.151.2.2", "ntp1")


def test_openntpd_without_a_valid_peer_believes_nothing() -> None:
    tracking = parse_status(ALONE)
    assert (tracking.offset_ns, tracking.leap) == (None, "Not synchronised")


def test_what_is_no_status_of_openntpd_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the status"):
        parse_status("ntpctl: connect: Connection refused\n")


def test_openntpd_is_asked_over_tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(ntpctl, "PORT", server.getsockname()[1])

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(SYNCED.encode())

        thread = threading.Thread(target=answer)
        thread.start()
        assert ntpctl.ask("127.0.0.1") == parse_status(SYNCED)
        thread.join()
        closed = server.getsockname()[1]
    monkeypatch.setattr(ntpctl, "PORT", closed)
    assert ntpctl.ask("127.0.0.1") is None
