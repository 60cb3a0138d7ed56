"""What the findings of `probes.py` and `trial.py` mean: ok, warn or fail, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..driver.base import EngineInfo
from ..errors import EngineDenied, EngineError
from ..hostclock import HostDiscipline
from ..reach import listed

Status = Literal["ok", "warn", "fail"]

ENGINE_VERSION_MIN = (20, 10)
DISK_FREE_MIN_BYTES = 2 << 30
DISK_FREE_GOOD_BYTES = 5 << 30
MEMORY_GOOD_BYTES = 2 << 30

# Reading these takes no system call; the others make every reading of a clock slow.
FAST_CLOCKSOURCES = ("tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page")
CLOCK_ERROR_MAX_S = 2.0

_NO_NAMESPACE = "labs run without time namespaces: wall clocks work, monotonic ones are the host's"


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report."""

    name: str
    status: Status
    detail: str
    hint: str = ""


@dataclass(frozen=True)
class Trial:
    """What a container of one image showed. `error` says why it could not be tried."""

    image: str
    error: str = ""
    time_namespace: str = ""
    """The launcher's word: `on`, or `off: why`."""
    wall_error_s: float = 0.0
    """Its `date` minus the date it was given."""
    unreached: Mapping[str, str] = field(default_factory=dict)
    """Programs that see the host's clock all the same: path -> why."""


def engine(info: EngineInfo | None, trouble: EngineError | None) -> Check:
    """Docker Engine: there, ours to use, new enough."""
    name = "Docker Engine"
    if info is None:
        denied = isinstance(trouble, EngineDenied)
        said = str(trouble) if trouble else "does not answer"
        hint = (
            trouble.hint if trouble and denied else "./ntplab up, run and demo install and start it"
        )
        return Check(name, "fail", said, hint)
    version = tuple(int(part) for part in info.version.split(".")[:2] if part.isdigit())
    if version < ENGINE_VERSION_MIN:
        return Check(name, "fail", f"version {info.version}", "20.10 or newer is needed")
    return Check(name, "ok", f"version {info.version}, API {info.api_version}")


def machine(info: EngineInfo) -> Check:
    """Processors and memory of the engine's machine."""
    detail = f"{info.cpus} CPUs, {info.memory_bytes >> 20} MiB, kernel {info.kernel}"
    if info.memory_bytes < MEMORY_GOOD_BYTES:
        return Check("machine", "warn", detail, "2 GiB of memory are good to have")
    return Check("machine", "ok", detail)


def time_namespaces(supported: bool) -> Check:
    """The kernel has time namespaces at all (Linux 5.6)."""
    if supported:
        return Check("time namespaces", "ok", "the kernel has them")
    return Check("time namespaces", "warn", _NO_NAMESPACE, "Linux 5.6 or newer has them")


def user_namespaces(settings: Mapping[str, str]) -> Check:
    """Ordinary users may make user namespaces; `settings` are sysctls, by name."""
    wrong = {
        "user.max_user_namespaces": "0",
        "kernel.unprivileged_userns_clone": "0",
        "kernel.apparmor_restrict_unprivileged_userns": "1",
    }
    for setting, forbidding in wrong.items():
        if settings.get(setting) == forbidding:
            allowed = {"0": "1", "1": "0"}[forbidding] if "max" not in setting else "15000"
            hint = f"to allow them: sudo sysctl {setting}={allowed}"
            return Check(
                "user namespaces", "warn", f"{setting}={forbidding}; {_NO_NAMESPACE}", hint
            )
    return Check("user namespaces", "ok", "ordinary users may make them")


def clocksource(name: str) -> Check:
    """What the kernel counts time with."""
    if name in FAST_CLOCKSOURCES:
        return Check("clocksource", "ok", name)
    hint = "readings cost a system call here: compare ratios, not absolute times"
    return Check("clocksource", "warn", name or "unknown", hint)


def netem(available: bool) -> Check:
    """The kernel's network emulator."""
    if available:
        return Check("netem", "ok", "the kernel has it")
    return Check("netem", "warn", "not in this kernel", "delays need a relay container instead")


def disk(free_bytes: int) -> Check:
    """Room for images and runs."""
    detail = f"{free_bytes / (1 << 30):.1f} GiB free"
    if free_bytes < DISK_FREE_MIN_BYTES:
        return Check(
            "disk", "fail", detail, "images need 2 GiB: `docker system df` shows what is used"
        )
    if free_bytes < DISK_FREE_GOOD_BYTES:
        return Check("disk", "warn", detail, "5 GiB are good to have")
    return Check("disk", "ok", detail)


def ports(taken: Sequence[int]) -> Check:
    """The ports a lab is asked to publish are free."""
    if not taken:
        return Check("ports", "ok", "none is taken")
    listed = ", ".join(map(str, taken))
    return Check("ports", "fail", f"taken: {listed}", "`ss -ltnp` shows by whom")


def images(states: Mapping[str, str]) -> Check:
    """The images are built, from what images/ holds now."""
    behind = [
        f"{image} is {state}" for image, state in sorted(states.items()) if state != "current"
    ]
    if not behind:
        return Check("images", "ok", f"{len(states)} up to date")
    return Check("images", "warn", ", ".join(behind), "./ntplab up, run and demo build them")


def trials(found: Iterable[Trial]) -> Iterable[Check]:
    """In each image: the preload answers, and the namespaces can be entered."""
    for trial in found:
        name = f"clock in {trial.image}"
        if trial.error:
            yield Check(
                name, "fail", trial.error, "if it is out of date: ./ntplab up builds it again"
            )
        elif abs(trial.wall_error_s) > CLOCK_ERROR_MAX_S:
            wrong = f"`date` is {trial.wall_error_s:+.0f} s from the date it was given"
            yield Check(
                name, "fail", wrong, "the preload is not in force: setuid or static program?"
            )
        elif trial.time_namespace != "on":
            yield Check(name, "warn", f"time namespace {trial.time_namespace}; {_NO_NAMESPACE}")
        else:
            detail = "virtual wall clock and time namespace in force"
            if trial.unreached:
                detail += f"; on the host's clock: {listed(trial.unreached)}"
            yield Check(name, "ok", detail)


def host_clock(before: HostDiscipline, after: HostDiscipline) -> Check:
    """Nothing that was tried moved the host's own clock discipline."""
    name, detail = "host clock", f"{after.frequency_ppm:+.3f} ppm, tick {after.tick_us} us"
    if before == after:
        return Check(name, "ok", f"untouched ({detail})")
    if before.synchronized or after.synchronized:
        return Check(name, "ok", f"steered by the host's own NTP daemon ({detail})")
    was = f"{before.frequency_ppm:+.3f} ppm, tick {before.tick_us} us"
    hint = "no container may do that: please report it"
    return Check(name, "fail", f"changed during the trial: was {was}, is {detail}", hint)
