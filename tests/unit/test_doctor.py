"""What the doctor makes of what it finds."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from ntplab.doctor import checks, probes
from ntplab.doctor.checks import Check, Trial
from ntplab.doctor.examination import examine
from ntplab.doctor.trial import OFFSET_NS, try_images
from ntplab.driver.base import EngineInfo, ExecResult
from ntplab.driver.fake import FakeDriver
from ntplab.errors import EngineDenied, EngineError
from ntplab.hostclock import HostDiscipline, read_host_discipline


def info(version: str = "20.10.24+dfsg1", memory: int = 8 << 30) -> EngineInfo:
    return EngineInfo(version, "1.41", "6.1", "Debian", 2, memory)


@pytest.mark.parametrize(
    ("check", "status"),
    [
        (checks.engine(info(), None), "ok"),
        (checks.engine(info("28.0.1"), None), "ok"),
        (checks.engine(info("19.03.8"), None), "fail"),
        (checks.engine(None, EngineError("does not answer")), "fail"),
        (checks.machine(info()), "ok"),
        (checks.machine(info(memory=1 << 30)), "warn"),
        (checks.time_namespaces(True), "ok"),
        (checks.time_namespaces(False), "warn"),
        (checks.user_namespaces({}), "ok"),
        (checks.user_namespaces({"user.max_user_namespaces": "15000"}), "ok"),
        (checks.user_namespaces({"user.max_user_namespaces": "0"}), "warn"),
        (checks.user_namespaces({"kernel.unprivileged_userns_clone": "0"}), "warn"),
        (checks.user_namespaces({"kernel.apparmor_restrict_unprivileged_userns": "1"}), "warn"),
        (checks.clocksource("tsc"), "ok"),
        (checks.clocksource("hpet"), "warn"),
        (checks.clocksource(""), "warn"),
        (checks.netem(True), "ok"),
        (checks.netem(False), "warn"),
        (checks.disk(20 << 30), "ok"),
        (checks.disk(3 << 30), "warn"),
        (checks.disk(1 << 30), "fail"),
        (checks.ports([]), "ok"),
        (checks.ports([8080]), "fail"),
        (checks.images({"a": "current"}), "ok"),
        (checks.images({"a": "current", "b": "stale"}), "warn"),
    ],
)
def test_statuses_and_hints(check: Check, status: str) -> None:
    assert check.status == status
    assert bool(check.hint) == (status != "ok")


def test_who_may_not_use_the_socket_is_told_how() -> None:
    check = checks.engine(None, EngineDenied("no right", hint="usermod"))
    assert (check.detail, check.hint) == ("no right", "usermod")


def test_the_hint_undoes_what_forbids() -> None:
    check = checks.user_namespaces({"kernel.apparmor_restrict_unprivileged_userns": "1"})
    assert check.hint.endswith("sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0")
    check = checks.user_namespaces({"user.max_user_namespaces": "0"})
    assert check.hint.endswith("sudo sysctl user.max_user_namespaces=15000")


@pytest.mark.parametrize(
    ("trial", "status"),
    [
        (Trial("x", time_namespace="on", wall_error_s=0.4), "ok"),
        (Trial("x", time_namespace="off: EPERM"), "warn"),
        (Trial("x", time_namespace="on", wall_error_s=86_400.0), "fail"),
        (Trial("x", error="died"), "fail"),
    ],
)
def test_trials(trial: Trial, status: str) -> None:
    (check,) = checks.trials([trial])
    assert check.status == status


def test_programs_on_the_hosts_clock_are_named() -> None:
    trial = Trial("x", time_namespace="on", unreached={"/usr/bin/gojq": "go"})
    (check,) = checks.trials([trial])
    assert (check.status, check.detail.partition("; ")[2]) == (
        "ok",
        "on the host's clock: gojq (go)",
    )


def test_a_changed_host_clock_fails_unless_its_own_daemon_steers_it() -> None:
    free = HostDiscipline(1.0, 10_000, synchronized=False, tai_offset_s=0)
    moved = HostDiscipline(1.5, 10_000, synchronized=False, tai_offset_s=0)
    steered = HostDiscipline(1.5, 10_000, synchronized=True, tai_offset_s=37)
    assert checks.host_clock(free, free).status == "ok"
    assert checks.host_clock(free, moved).status == "fail"
    assert checks.host_clock(steered, HostDiscipline(1.6, 10_000, True, 37)).status == "ok"


# probes


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_probes_of_a_bare_machine_find_nothing(tmp_path: Path) -> None:
    assert not probes.has_time_namespaces(tmp_path)
    assert probes.sysctls(tmp_path) == {}
    assert probes.clocksource(tmp_path) == ""
    assert not probes.has_netem(tmp_path, "6.1")


def test_probes_read_what_is_there(tmp_path: Path) -> None:
    put(tmp_path, "proc/self/ns/time", "")
    put(tmp_path, "proc/sys/kernel/unprivileged_userns_clone", "1\n")
    put(tmp_path, "sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n")
    put(tmp_path, "lib/modules/6.1/modules.dep", "kernel/net/sched/sch_netem.ko.xz:\n")
    assert probes.has_time_namespaces(tmp_path)
    assert probes.sysctls(tmp_path) == {"kernel.unprivileged_userns_clone": "1"}
    assert probes.clocksource(tmp_path) == "tsc"
    assert probes.has_netem(tmp_path, "6.1")
    assert not probes.has_netem(tmp_path, "5.10")


def test_a_port_that_something_listens_on_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert probes.taken_ports([port]) == [port]
    assert probes.taken_ports([port]) == []


def test_room_is_that_of_the_fullest_folder_that_exists(tmp_path: Path) -> None:
    assert probes.disk_free_bytes([tmp_path, tmp_path / "nothing"]) > 0


def test_reading_the_hosts_discipline_changes_nothing() -> None:
    first, second = read_host_discipline(), read_host_discipline()
    assert 9_000 <= first.tick_us <= 11_000
    assert abs(first.frequency_ppm) <= 500
    assert first.tick_us == second.tick_us


# trials in containers that exist only here


class Lab(FakeDriver):
    """Its observer says it is ready; its `date` shows what it is told to."""

    def start(self, lab: str, node: str) -> None:
        super().start(lab, node)
        if node == "observer":
            self.nodes[lab, node].log.append(b'{"t":"ready","raw_ns":1,"lab_ns":1}\n')


def lab_showing(offset_s: float) -> Lab:
    def date(*_about: object) -> ExecResult:
        return ExecResult(0, f"{int(time.time() + offset_s)}\n", "")

    lab = Lab()
    lab.answer(["/usr/lib/ntplab/enter", "date"], date)
    lab.answer(["cat", "/run/ntplab/timens"], ExecResult(0, "on\n", ""))
    lab.answer(["python3"], ExecResult(0, '{"/usr/bin/gojq": "go"}', ""))
    return lab


def test_an_image_whose_date_follows_its_page_is_fine() -> None:
    lab = lab_showing(OFFSET_NS / 1e9)
    (trial,) = try_images(lab, ["ntplab/booking"])
    assert (trial.error, trial.time_namespace) == ("", "on")
    assert trial.unreached == {"/usr/bin/gojq": "go"}
    assert abs(trial.wall_error_s) < checks.CLOCK_ERROR_MAX_S
    assert lab.labs() == [], "nothing of the trial is left"


def test_an_image_that_ignores_the_preload_is_found_out() -> None:
    (trial,) = try_images(lab_showing(0), ["ntplab/booking"])
    assert next(iter(checks.trials([trial]))).status == "fail"


def test_an_image_whose_date_fails_is_reported() -> None:
    lab = lab_showing(0)
    lab.answer(["/usr/lib/ntplab/enter", "date"], ExecResult(127, "", "libvclock: no page\n"))
    (trial,) = try_images(lab, ["ntplab/booking"])
    assert trial.error == "`date` failed: libvclock: no page"


def test_an_observer_that_dies_is_the_error_of_all() -> None:
    class Dying(FakeDriver):
        def start(self, lab: str, node: str) -> None:
            super().start(lab, node)
            self.die(lab, node, 2)

    dying = Dying()
    trials = try_images(dying, ["a", "b"])
    assert [trial.error for trial in trials] == ["observer died with exit code 2"] * 2
    assert dying.labs() == []


def test_without_an_engine_the_kernel_is_still_looked_at() -> None:
    def connect() -> FakeDriver:
        raise EngineError("Docker Engine does not answer")

    found = {check.name: check for check in examine(connect)}
    assert found["Docker Engine"].status == "fail"
    assert {"time namespaces", "user namespaces", "disk", "ports"} <= set(found)
    assert "images" not in found


def test_with_an_engine_and_no_images_they_are_missing() -> None:
    found = {check.name: check for check in examine(FakeDriver)}
    assert "missing" in found["images"].detail
    assert found["host clock"].status == "ok"
