"""What the live page costs: 50 servers, each sampled 20 times a second, in a real browser.

No lab: the samples are made up and written into a run directory as they fall due, as a run that is
going on leaves them. The server is a process of its own, and the browser a Chromium without a
window, which paints by the processor alone: a screen with a graphics card costs less.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from ..errors import NtplabError, PdfError
from ..evidence import Manifest, RunDirectory, SpoolWriter
from ..report.pdf import INSTALL, find_chromium
from ..units import NS_PER_S
from .figures import Outcome, against_limit, compare
from .measuring import Bench, CannotMeasure
from .processes import Tree

BROWSER, SERVER, MEMORY, PIXEL = "ui_browser", "ui_server", "ui_memory", "ui_event_to_pixel"
ABOUT = {
    BROWSER: "the live page of 50 servers: processor time of the browser, % of a core",
    SERVER: "the same: processor time of the server, % of a core",
    PIXEL: "from an event to its being painted, p95 in ms",
    MEMORY: "the browser's memory after 10 minutes, beside that after the first",
}
BROWSER_MAX, SERVER_MAX, PIXEL_MS_MAX, GROWTH_MAX = 30.0, 15.0, 250.0, 1.1
SERVERS, SAMPLES_HZ, PROBES_HZ = 50, 20, 4
WARM_S, MEASURED_S, WHOLE_S = 20.0, 60.0, 600.0
READY_S = 60.0
MEMORY_EVERY_S = 5.0


@dataclass
class Seen:
    """What was measured: percent of a core, ms, and MB by second since the beginning."""

    browser_percent: float = 0.0
    server_percent: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    memory_mb: list[tuple[float, float]] = field(default_factory=list)


def measure(bench: Bench) -> Iterator[Outcome]:
    """All figures of one watching; memory takes its ten minutes only when it is asked for."""
    seen = watch(bench.scratch, WARM_S, MEASURED_S, WHOLE_S if MEMORY in bench.wanted else 0.0)
    load = os.getloadavg()[0]
    bench.tell(
        BROWSER,
        f"{seen.browser_percent:.1f} %, server {seen.server_percent:.1f} %, "
        f"p95 of {len(seen.latencies_ms)} events {p95(seen.latencies_ms):.0f} ms, "
        f"load of the machine {load:.1f}",
    )
    yield against_limit(BROWSER, [seen.browser_percent], BROWSER_MAX, "% of a core")
    yield against_limit(SERVER, [seen.server_percent], SERVER_MAX, "% of a core")
    yield against_limit(PIXEL, [p95(seen.latencies_ms)], PIXEL_MS_MAX, "ms")
    if MEMORY in bench.wanted:
        first = median(mb for at_s, mb in seen.memory_mb if at_s <= WARM_S + MEASURED_S)
        last = median(mb for at_s, mb in seen.memory_mb if at_s >= WHOLE_S - MEASURED_S)
        yield compare(MEMORY, [last], [first], "first minute", "MB", GROWTH_MAX)


def p95(values: list[float]) -> float:
    """Of measured values. Raises NtplabError of none: then nothing was ever painted."""
    if not values:
        raise NtplabError("the browser painted no event")
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def watch(folder: Path, warm_s: float, measured_s: float, whole_s: float) -> Seen:
    """A page on a run that grows: `measured_s` after `warm_s`; memory until `whole_s`."""
    try:
        chromium = find_chromium()
    except PdfError as error:
        raise CannotMeasure(f"no Chromium is installed: {INSTALL}") from error
    run = begun_run(folder)
    seen, begin_s = Seen(), time.monotonic()
    with ExitStack() as at_the_end:
        feeder = Feeder(run)
        at_the_end.callback(feeder.stop)
        server = at_the_end.enter_context(_server(run))
        at_the_end.callback(server.terminate)
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        threading.Thread(target=_hear, args=(server, seen), daemon=True).start()
        browser = at_the_end.enter_context(_browser(chromium, address, folder / "profile"))
        at_the_end.callback(browser.terminate)
        _wait_for_first(seen)
        _sleep_until(begin_s + warm_s)
        seen.latencies_ms.clear()
        trees = Tree(browser.pid), Tree(server.pid)
        before, from_s = [tree.cpu_s() for tree in trees], time.monotonic()
        _remember(seen, trees[0], begin_s, from_s + measured_s)
        took_s = time.monotonic() - from_s
        used = [tree.cpu_s() - one for tree, one in zip(trees, before, strict=True)]
        seen.browser_percent, seen.server_percent = (100 * one / took_s for one in used)
        latencies = list(seen.latencies_ms)
        _remember(seen, trees[0], begin_s, begin_s + whole_s)
        seen.latencies_ms = latencies
    return seen


def _server(run: RunDirectory) -> subprocess.Popen[str]:
    package = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "ntplab.bench.live_page_server", str(run.path)],
        env={**os.environ, "PYTHONPATH": str(package)},
        stdout=subprocess.PIPE,
        text=True,
    )


def _browser(program: str, address: str, profile: Path) -> subprocess.Popen[bytes]:
    # Chromium's own sandbox refuses to work for root; the page is ours.
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    quiet = ["--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--no-first-run"]
    return subprocess.Popen(
        [program, "--headless", *root, *quiet, "--window-size=1600,1200", "--mute-audio",
         "--remote-debugging-port=0", f"--user-data-dir={profile}", address],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _hear(server: subprocess.Popen[str], seen: Seen) -> None:
    """The probe's words: `probe <ns since 1970>`, and the ms at which they were on the screen."""
    assert server.stdout is not None
    for line in server.stdout:
        for words, painted_ms in json.loads(line):
            seen.latencies_ms.append(painted_ms - int(words.split()[1]) / 1e6)


def _wait_for_first(seen: Seen) -> None:
    deadline = time.monotonic() + READY_S
    while not seen.latencies_ms:
        if time.monotonic() > deadline:
            raise NtplabError(f"the browser painted nothing within {READY_S:g} s")
        time.sleep(0.1)


def _remember(seen: Seen, tree: Tree, begin_s: float, until_s: float) -> None:
    """Note the memory of `tree` now and then."""
    while (left_s := until_s - time.monotonic()) > 0:
        seen.memory_mb.append((time.monotonic() - begin_s, tree.memory_mb()))
        time.sleep(min(left_s, MEMORY_EVERY_S))


def _sleep_until(at_s: float) -> None:
    time.sleep(max(0.0, at_s - time.monotonic()))


def begun_run(folder: Path) -> RunDirectory:
    """A run of `SERVERS` servers that has just begun."""
    run = RunDirectory.create_at(folder / "runs" / "live" / "page")
    names = [{"name": f"server{number:02d}", "kind": "server"} for number in range(SERVERS)]
    run.write_manifest(
        Manifest.model_validate(
            {"run": run.run_id, "scenario_name": "live", "policy": "timestamp-order", "seed": 1,
             "nodes": names, "phases": [{"name": "ntp-off", "ntp": "off", "duration_ns": 10**12}]}
        )
    )  # fmt: skip
    return run


class Feeder:
    """Writes samples, beliefs and events into `run` as they fall due, until told to stop."""

    def __init__(self, run: RunDirectory) -> None:
        self._run, self._spool = run, SpoolWriter(run)
        self._stopped = threading.Event()
        run.append_event(_event("phase.started", phase="ntp-off", ntp="off", duration_ns=10**12))
        self._thread = threading.Thread(target=self._feed, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self._spool.close()

    def _feed(self) -> None:
        begin_s, tick = time.monotonic(), 0
        while not self._stopped.is_set():
            at_ns = time.time_ns()
            self._spool.append("clock", [_sample(at_ns, n, tick) for n in range(SERVERS)])
            if tick % SAMPLES_HZ == 0:
                self._spool.append("belief", [_belief(at_ns, n, tick) for n in range(SERVERS)])
            if tick % (SAMPLES_HZ // PROBES_HZ) == 0:
                self._run.append_event(_event(f"probe {time.time_ns()}"))
            tick += 1
            self._stopped.wait(max(0.0, begin_s + tick / SAMPLES_HZ - time.monotonic()))


def _event(name: str, **fields: Any) -> dict[str, Any]:
    return {"lab_ns": time.time_ns(), "event": name, **fields}


def _divergence_ns(number: int, tick: int) -> int:
    swing = 5e8 * (number + 1) / SERVERS * math.sin(tick / 700 + number)
    return round(swing + 1e6 * math.sin(tick * 7919.0 + number))


def _sample(at_ns: int, number: int, tick: int) -> dict[str, Any]:
    off_ns = _divergence_ns(number, tick)
    return {"lab_ns": at_ns, "node": f"server{number:02d}", "wall_ns": at_ns + off_ns,
            "divergence_ns": off_ns}  # fmt: skip


def _belief(at_ns: int, number: int, tick: int) -> dict[str, Any]:
    return {"lab_ns": at_ns, "node": f"server{number:02d}", "state": "ok", "leap": "Normal",
            "offset_ns": _divergence_ns(number, tick) // 2, "root_delay_ns": NS_PER_S // 1000,
            "root_dispersion_ns": NS_PER_S // 2000}  # fmt: skip
