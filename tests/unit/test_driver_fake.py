"""The driver in memory keeps to the rules that the real one is held to in tests/lab."""

from __future__ import annotations

import pytest

from ntplab.driver.base import Driver, ExecResult
from ntplab.driver.fake import FakeDriver
from ntplab.errors import NodeError
from ntplab.topology import (
    KIND_LABEL,
    LAB_LABEL,
    NODE_LABEL,
    NetworkSpec,
    NodeSpec,
    PublishedPort,
    VolumeSpec,
)

LAB = "t"
PARIS = NodeSpec("paris", "server", "ntplab/booking", ("time",), ports=(PublishedPort(8000, 80),))


@pytest.fixture
def driver() -> FakeDriver:
    fake = FakeDriver()
    fake.create_network(LAB, NetworkSpec("time"))
    fake.create_volume(LAB, VolumeSpec("ntplab-t-clock-paris", "paris"))
    fake.create(LAB, PARIS, {"/etc/chrony/chrony.conf": b"server ntp1"}, {"x": "y"})
    fake.start(LAB, "paris")
    return fake


def test_it_is_a_driver(driver: FakeDriver) -> None:
    held: Driver = driver  # the type checker's half of this test
    assert held.info().api_version == "1.41"


def test_a_container_is_found_with_all_it_was_given(driver: FakeDriver) -> None:
    info = driver.container(LAB, "paris")
    assert info is not None
    assert (info.status, info.exit_code, info.docker_name) == ("running", None, "ntplab-t-paris")
    assert info.labels == {LAB_LABEL: LAB, NODE_LABEL: "paris", KIND_LABEL: "server", "x": "y"}
    assert info.ports == {8000: "127.0.0.1:80"}
    assert driver.container(LAB, "lyon") is None
    assert driver.containers() == driver.containers(LAB) == [info]
    assert driver.containers("other") == []


def test_names_are_taken_once(driver: FakeDriver) -> None:
    with pytest.raises(NodeError, match="already in use"):
        driver.create(LAB, PARIS, {}, {})
    with pytest.raises(NodeError, match="already exists"):
        driver.create_network(LAB, NetworkSpec("time"))


def test_a_network_must_be_there(driver: FakeDriver) -> None:
    with pytest.raises(NodeError, match="network app not found"):
        driver.create(LAB, NodeSpec("lyon", "server", "x", ("app",)), {}, {})


def test_answers_are_by_prefix_and_node_and_the_latest_wins(driver: FakeDriver) -> None:
    driver.answer(["date"], ExecResult(0, "monday", ""))
    driver.answer(["date", "-u"], lambda node, argv, _in: ExecResult(0, f"{node} {argv[-1]}", ""))
    driver.answer(["date"], ExecResult(1, "", "elsewhere"), node="lyon")
    assert driver.exec(LAB, "paris", ["date"]).stdout == "monday"
    assert driver.exec(LAB, "paris", ["date", "-u", "+%s"]).stdout == "paris +%s"
    assert driver.exec(LAB, "paris", ["true"]) == ExecResult(0, "", "")
    assert driver.called("exec")[0] == (LAB, "paris", "date")


def test_a_streaming_command_that_fails_raises_after_its_output(driver: FakeDriver) -> None:
    driver.answer(["psql"], ExecResult(2, "rows", ""))
    stream = driver.exec_stream(LAB, "paris", ["psql"])
    assert next(stream) == b"rows"
    with pytest.raises(NodeError, match="exit code 2"):
        next(stream)


def test_a_dead_container_runs_nothing_and_says_why(driver: FakeDriver) -> None:
    driver.die(LAB, "paris", 7, "out of memory")
    with pytest.raises(NodeError, match="paris died with exit code 7") as caught:
        driver.exec(LAB, "paris", ["true"])
    assert caught.value.log_tail == ("out of memory",)
    assert driver.read_files(LAB, "paris", "/etc/chrony") == {"chrony.conf": b"server ntp1"}


def test_kill_stop_and_start(driver: FakeDriver) -> None:
    driver.kill(LAB, "paris")
    assert driver.nodes[LAB, "paris"].exit_code == 137
    driver.start(LAB, "paris")
    driver.stop(LAB, "paris")
    assert driver.nodes[LAB, "paris"].exit_code == 0
    driver.stop(LAB, "paris")


def test_injected_failures_happen_once(driver: FakeDriver) -> None:
    driver.fail("start", "paris", NodeError("port 80 of 127.0.0.1 is already taken"))
    with pytest.raises(NodeError, match="port 80"):
        driver.start(LAB, "paris")
    driver.start(LAB, "paris")


def test_networks_are_left_and_joined(driver: FakeDriver) -> None:
    driver.disconnect(LAB, "time", "paris")
    driver.disconnect(LAB, "time", "paris")
    assert driver.containers()[0].networks == ()
    driver.connect(LAB, "time", "paris")
    assert driver.containers()[0].networks == ("time",)


def test_removing_a_lab_leaves_nothing_and_can_be_repeated(driver: FakeDriver) -> None:
    driver.create_network("other", NetworkSpec("time"))
    assert driver.labs() == ["other", LAB]
    removed = driver.remove_lab(LAB)
    assert removed.containers == ("ntplab-t-paris",)
    assert removed.networks == ("ntplab-t-time",)
    assert removed.volumes == ("ntplab-t-clock-paris",)
    assert driver.labs() == ["other"]
    assert driver.remove_lab(LAB).containers == ()
