"""A fleet's pure parts: NTP answers, a host's own clock on lab time, inventories, what is unfit."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from ntplab.analysis.claims import Claim
from ntplab.analysis.clocks import ClockSeries
from ntplab.analysis.deciding import decided
from ntplab.analysis.explain import MODELS, World
from ntplab.errors import EvidenceError, UsageError
from ntplab.evidence import Manifest, ManifestNode
from ntplab.fleet import NoAnswer, unfit
from ntplab.fleet.hosttimes import HostTimes
from ntplab.fleet.inventory import fleet_of
from ntplab.fleet.sntp import EPOCH_S, reading
from ntplab.planner import make_plan
from ntplab.scenario.models import Scenario

S, MS, US = 1_000_000_000, 1_000_000, 1_000
NOW = 1_900_000_000 * S
COOKIE = b"12345678"


def stamp(unix_ns: int) -> bytes:
    seconds, rest = divmod(unix_ns, S)
    return struct.pack("!II", (seconds + EPOCH_S) % 2**32, (rest << 32) // S)


def answer(
    received_ns: int, sent_ns: int, first: int = 0xE4, stratum: int = 0, name: bytes = b"\0\0\0\0"
) -> bytes:
    """By default that of a chronyd that says itself that it is not synchronised."""
    head = bytes([first, stratum, 0, 0]) + bytes(8) + name + bytes(8) + COOKIE
    return head + stamp(received_ns) + stamp(sent_ns)


def test_an_answer_tells_the_offset_to_within_half_the_delay() -> None:
    # 5 s slow; 3 ms there, 1 ms at the server, 1 ms back.
    there = NOW - 5 * S
    seen = reading(answer(there + 3 * MS, there + 4 * MS), COOKIE, NOW, NOW + 5 * MS)
    assert seen.delay_ns == pytest.approx(4 * MS, abs=2)
    assert seen.offset_ns == pytest.approx(-5 * S + 1 * MS, abs=2)
    assert abs(seen.offset_ns + 5 * S) <= seen.error_ns


def test_the_era_after_2036_is_understood() -> None:
    after = (2**32 - EPOCH_S + 100) * S
    assert reading(answer(after, after), COOKIE, after, after).offset_ns == pytest.approx(0, abs=2)


@pytest.mark.parametrize(
    ("bytes_", "why"),
    [
        (b"short", "5 bytes"),
        (answer(NOW, NOW, first=0x23), "something else"),
        (answer(NOW, NOW, name=b"RATE"), "refused: RATE"),
    ],
)
def test_what_is_no_answer(bytes_: bytes, why: str) -> None:
    with pytest.raises(NoAnswer, match=why):
        reading(bytes_, COOKIE, NOW, NOW)


def test_an_answer_to_another_query_is_none() -> None:
    with pytest.raises(NoAnswer, match="something else"):
        reading(answer(NOW, NOW), b"another!", NOW, NOW)


def test_lab_time_of_a_hosts_raw_clock_lies_where_all_readings_allow() -> None:
    times = HostTimes()
    offset_ns = 77 * S
    times.told("paris", 10 * S + offset_ns - 1 * MS, 10 * S + offset_ns + 9 * MS, 10 * S)
    times.told("paris", 11 * S + offset_ns - 9 * MS, 11 * S + offset_ns + 1 * MS, 11 * S)
    low_ns, high_ns = times.limits_ns("paris", 10 * S)
    # The second reading is a second away: 200 us wider.
    assert (low_ns, high_ns) == (offset_ns - 1 * MS, offset_ns + 1 * MS + 200 * US)
    assert times.lab_ns("paris", 10 * S) == 10 * S + offset_ns + 100 * US
    assert times.worst_ns["paris"] == 1100 * US


def test_a_rebooted_host_or_one_that_told_nothing_has_no_lab_time() -> None:
    times = HostTimes()
    with pytest.raises(EvidenceError, match="not read within 30 s"):
        times.lab_ns("paris", 0)
    times.told("paris", 100 * S, 100 * S + MS, 50 * S)
    times.told("paris", 101 * S, 101 * S + MS, 52 * S)
    with pytest.raises(EvidenceError, match="rebooted"):
        times.lab_ns("paris", 51 * S)


def listed(**variables: Any) -> dict[str, Any]:
    hosts = {
        "paris": {"ansible_host": "192.0.2.11", "allow_clock_changes": True, **variables},
        "lyon": {"ansible_host": "192.0.2.12", "allow_clock_changes": "true", **variables},
    }
    return {"servers": {"hosts": list(hosts)}, "_meta": {"hostvars": hosts}}


def test_only_a_plain_true_allows_a_clock_to_be_changed() -> None:
    fleet = fleet_of(Path("hosts.yml"), listed(fleet_reference="192.0.2.1#1123"))
    assert [(h.name, h.may_change) for h in fleet.hosts] == [("paris", True), ("lyon", False)]
    assert fleet.hosts[0].url == "http://192.0.2.11:8000"
    assert (fleet.reference, fleet.reference_port) == ("192.0.2.1", 1123)


@pytest.mark.parametrize(
    ("document", "why"),
    [({}, "no hosts in group"), (listed(), "names no `fleet_reference`")],
)
def test_inventories_that_make_no_fleet(document: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        fleet_of(Path("hosts.yml"), document)


def test_what_a_fleet_cannot_do_is_said_before_anything_is_done() -> None:
    scenario = Scenario.model_validate(
        {
            "name": "x",
            "policy": "unique",
            "servers": [{"name": "paris"}, {"name": "lyon", "clock": {"drift": "50ppm"}}],
            "time_servers": [{"name": "ntp1"}],
            "phases": [
                {
                    "name": "off",
                    "duration": "5s",
                    "ntp": "off",
                    "method": "network",
                    "clocks": "skewed",
                    "faults": [{"at": "1s", "server": "lyon", "kind": "kill"}],
                }
            ],
        }
    )
    fleet = fleet_of(Path("hosts.yml"), listed(fleet_reference="192.0.2.1"))
    found = "\n".join(unfit(make_plan(scenario), fleet))
    for words in ("faults within a phase", "by the daemon only", "not made to drift", "for lyon"):
        assert words in found


# --- what the uncertainty of probes leaves open -------------------------------------------


def series(divergence_ns: int, error_ns: int) -> ClockSeries:
    times = [NOW - S // 2, NOW + S // 2, NOW + 3 * S // 2]
    return ClockSeries(
        memoryview_of(times), memoryview_of([divergence_ns] * 3), memoryview_of([error_ns] * 3)
    )


def memoryview_of(values: list[int]) -> Any:
    return memoryview(struct.pack(f"={len(values)}q", *values)).cast("q")


def pair(gap_ns: int, skew_ns: int, error_ns: int) -> str:
    """The verdict on two receipts whose stamps are in the wrong order."""
    clocks = {"paris": series(0, error_ns), "lyon": series(-skew_ns, error_ns)}
    errors = {"paris": error_ns, "lyon": error_ns}
    world = World(clocks, frozenset(clocks), 1000, True, lab_errors_ns=errors if error_ns else {})
    a = Claim("1", "A", "b-0", "paris", True, "r", "c", NOW, stamp_ns=NOW, claimed_ns=NOW,
              decided_ns=NOW + 250 * MS)  # fmt: skip
    later = NOW + gap_ns
    b = Claim("2", "A", "b-1", "lyon", True, "s", "d", later, stamp_ns=NOW - 1,
              claimed_ns=later, decided_ns=later + 250 * MS,
              received_ns={"paris": later + 5 * MS})  # fmt: skip
    return decided(MODELS["timestamp-order"], a, b, world).status


def test_far_from_its_limits_an_inequality_is_decided() -> None:
    assert pair(600 * MS, 5 * S, 2 * MS) == "explained"


def test_at_its_limit_it_is_undecided_and_not_explained() -> None:
    # gap < skew holds by 3 ms, but each of four numbers may be 2 ms off.
    assert pair(600 * MS, 603 * MS, 0) == "explained"
    assert pair(600 * MS, 603 * MS, 2 * MS) == "undetermined"


def test_beyond_all_doubt_it_stays_unexplained() -> None:
    assert pair(600 * MS, 500 * MS, 2 * MS) == "unexplained"


def test_claims_whose_order_is_not_known_are_undecided() -> None:
    assert pair(1 * MS, 5 * S, 2 * MS) != "explained"


def test_the_manifest_says_what_the_truth_was_and_an_old_one_was_a_labs() -> None:
    made: dict[str, Any] = {"run": "r", "scenario_name": "s", "policy": "p", "seed": 1}
    assert Manifest(**made).truth == "clock-page"
    nodes = [ManifestNode(name="paris", kind="server", lab_error_ns=5)]
    assert Manifest(**made, truth="ntp-probe", nodes=nodes).lab_errors_ns == {"paris": 5}
