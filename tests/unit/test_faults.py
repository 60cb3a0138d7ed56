"""Faults prove themselves: what cannot be read back is an error, never a silent success."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from ntplab.driver.base import ExecResult
from ntplab.driver.fake import FakeDriver
from ntplab.errors import FaultError
from ntplab.faults import LabHandle, bend, check_dates, ntp_state, strike, switch_ntp
from ntplab.faults.handle import ENTER, each, until
from ntplab.labtime import LabClock
from ntplab.plan import FaultPlan
from ntplab.topology import NetworkSpec, NodeSpec

LAB = "t"
DATE = [ENTER, "date"]


@pytest.fixture
def driver() -> FakeDriver:
    fake = FakeDriver()
    fake.create_network(LAB, NetworkSpec("app"))
    fake.create_network(LAB, NetworkSpec("time"))
    for name in ("observer", "lyon"):
        fake.create(LAB, NodeSpec(name, "server", "i", networks=("app", "time")), {}, {})
        fake.start(LAB, name)
    return fake


@pytest.fixture
def lab(driver: FakeDriver) -> LabHandle:
    return LabHandle(driver, LAB, LabClock.anchored_now())


def off_by(lab: LabHandle, divergence_ns: int) -> Any:
    def date(_node: str, _argv: Sequence[str], _stdin: bytes | None) -> ExecResult:
        return ExecResult(0, f"{lab.clock.now_ns() + divergence_ns}\n", "")

    return date


def test_a_date_that_shows_the_fault_is_accepted(driver: FakeDriver, lab: LabHandle) -> None:
    driver.answer(DATE, off_by(lab, -5_000_000_000))
    check_dates(lab, {"lyon": -5_000_000_000}, tolerance_ns=1_000_000)


@pytest.mark.parametrize("actual_ns", [0, 5_000_000_000, -4_990_000_000, -5_010_000_000])
def test_a_date_that_does_not_show_the_fault_is_refused(
    driver: FakeDriver, lab: LabHandle, actual_ns: int
) -> None:
    driver.answer(DATE, off_by(lab, actual_ns))
    with pytest.raises(FaultError, match="lyon: `date` is between"):
        check_dates(lab, {"lyon": -5_000_000_000}, tolerance_ns=1_000_000)


def test_negative_values_reach_the_observer_as_one_word(driver: FakeDriver, lab: LabHandle) -> None:
    answer = {"lab_ns": 1, "divergence_ns": {"lyon": -5}}
    driver.answer(["ntplab-observer"], ExecResult(0, json.dumps(answer), ""))
    assert bend(lab, "lyon", "set", -5) == answer
    assert driver.called("exec")[-1][2:] == ("ntplab-observer", "set", "lyon", "--offset-ns=-5")


def test_a_command_that_fails_is_named_with_its_last_words(
    driver: FakeDriver, lab: LabHandle
) -> None:
    driver.answer(["ntplab-observer"], ExecResult(2, "", "no such page\n"))
    with pytest.raises(FaultError) as raised:
        bend(lab, "lyon", "freeze")
    assert "failed with exit code 2" in raised.value.message
    assert raised.value.log_tail == ("no such page",)


class Chronyd:
    """What the supervisor and chronyc would answer."""

    def __init__(self, driver: FakeDriver, *, obeys: bool = True) -> None:
        self.running, self.online, self.obeys = True, 1, obeys
        driver.answer(["sh", "-c"], self.supervise)
        driver.answer(["chronyc"], self.ask)

    def supervise(self, _node: str, argv: Sequence[str], _stdin: bytes | None) -> ExecResult:
        order = argv[5] if len(argv) > 5 else None
        if order is None:
            return ExecResult(0 if self.running else 1, "", "")
        if self.obeys:
            self.running = order == "-u"
        return ExecResult(0, "running\n" if self.running else "stopped\n", "")

    def ask(self, _node: str, argv: Sequence[str], _stdin: bytes | None) -> ExecResult:
        if argv[-1] in ("online", "offline") and self.obeys:
            self.online = int(argv[-1] == "online")
        return ExecResult(0 if self.running else 1, f"{self.online},0,0,0,0\n", "")


@pytest.mark.parametrize("method", ["daemon", "network", "sources"])
def test_ntp_goes_off_and_on_again_and_says_why_it_is_off(
    driver: FakeDriver, lab: LabHandle, method: str
) -> None:
    Chronyd(driver)
    assert ntp_state(lab, "lyon").on
    switch_ntp(lab, "lyon", "off", method)
    state = ntp_state(lab, "lyon")
    assert not state.on
    assert (
        state.why_off()
        == {
            "daemon": "chronyd is stopped",
            "network": "off the time network",
            "sources": "all sources are offline",
        }[method]
    )
    switch_ntp(lab, "lyon", "on", method)
    assert ntp_state(lab, "lyon").on


@pytest.mark.parametrize("method", ["daemon", "sources"])
def test_a_switch_that_is_not_seen_is_an_error(
    driver: FakeDriver, lab: LabHandle, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ntplab.faults.ntp.SEEN_WITHIN_S", 0.1)
    Chronyd(driver, obeys=False)
    with pytest.raises(FaultError, match="was not seen within"):
        switch_ntp(lab, "lyon", "off", method)


def test_sources_cannot_be_switched_without_a_daemon(driver: FakeDriver, lab: LabHandle) -> None:
    Chronyd(driver).running = False
    with pytest.raises(FaultError, match="chronyd is not running"):
        switch_ntp(lab, "lyon", "on", "sources")


@pytest.mark.parametrize(
    ("image", "service", "program"),
    [
        ("ntplab/ntpsec", "ntpd", "ntpd"),
        ("ntplab/openntpd", "openntpd", "openntpd"),
        ("ntplab/timesyncd", "timesyncd", "systemd-timesyncd"),
    ],
)
def test_every_daemon_is_switched_by_its_own_service(
    driver: FakeDriver, lab: LabHandle, image: str, service: str, program: str
) -> None:
    chosen = NodeSpec("metz", "server", image, ("time",))
    driver.create(LAB, chosen, {}, {})
    driver.start(LAB, "metz")
    Chronyd(driver)
    for question in ("ntpq", "ntpctl"):
        driver.answer([question], ExecResult(0, "", ""))
    switch_ntp(lab, "metz", "off", "daemon")
    asked = [words[-3:] for words in driver.called("exec")]
    assert ("-wD", "-d", f"/run/service/{service}") in asked
    assert ntp_state(lab, "metz").why_off() == f"{program} is stopped"
    switch_ntp(lab, "metz", "on", "daemon")
    state = ntp_state(lab, "metz")
    assert (state.on, state.sources_online, state.why_off()) == (True, None, "")
    with pytest.raises(FaultError, match="cannot be told that its sources are offline"):
        switch_ntp(lab, "metz", "off", "sources")


def test_killing_is_seen(driver: FakeDriver, lab: LabHandle) -> None:
    assert strike(lab, FaultPlan(0, "lyon", "kill")).value == "SIGKILL"
    assert driver.nodes[LAB, "lyon"].status == "exited"
    strike(lab, FaultPlan(0, "lyon", "kill"))  # twice is no error: it is dead


def test_a_date_fault_must_show_on_the_clock_page(driver: FakeDriver, lab: LabHandle) -> None:
    fault = FaultPlan(0, "lyon", "date", date="2023-10-01 12:00:00")
    wall_ns = 1_696_161_600_000_000_000  # date -u -d '2023-10-01 12:00:00' +%s
    page = {"lab_ns": 1, "nodes": {"lyon": {"wall_ns": wall_ns, "divergence_ns": -7}}}
    driver.answer(["ntplab-observer", "show"], lambda *_: ExecResult(0, json.dumps(page), ""))
    assert strike(lab, fault).divergence_ns == -7
    assert (LAB, "lyon", ENTER, "date", "-u", "-s", fault.date) in driver.called("exec")
    page["nodes"]["lyon"]["wall_ns"] = wall_ns + 60_000_000_000  # type: ignore[index]
    with pytest.raises(FaultError, match="its clock shows 2023-10-01 12:01:00"):
        strike(lab, fault)


def test_until_gives_up_and_says_on_what() -> None:
    with pytest.raises(FaultError, match=r"rain was not seen within 0\.01 s"):
        until(lambda: False, 0.01, "rain")


def test_each_keeps_order_and_raises() -> None:
    assert each([3, 1, 2], lambda n: n * 2) == [6, 2, 4]
    assert each([], lambda n: n) == []
    with pytest.raises(ZeroDivisionError):
        each([1, 0], lambda n: 1 // n)
