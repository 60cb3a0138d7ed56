"""Waits until HTTP servers and NTP daemons answer. Used by `cli`."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .asking import ASK

Probe = Callable[[str], str | None]
"""Asks one target; None when it answered as it should, else why not."""

PROBE_TIMEOUT_S = 2.0
PAUSE_S = 0.1


def wait_for_all(targets: Sequence[str], probe: Probe, timeout_s: float) -> Mapping[str, Any]:
    """Ask every target until each answered once or `timeout_s` passed.

    One after the other: all have to answer, so asking the others meanwhile gains nothing, and
    would take processor time from those that are still starting. When the time is up, those not
    asked yet are asked once, all together.

    `ok`, and by target its last `error` (None if it answered) and `waited_s`.
    """
    begin = time.monotonic()

    def wait(target: str) -> dict[str, Any]:
        while (error := probe(target)) is not None and time.monotonic() < begin + timeout_s:
            time.sleep(PAUSE_S)
        return {"error": error, "waited_s": round(time.monotonic() - begin, 3)}

    found: dict[str, dict[str, Any]] = {}
    for target in targets:
        if time.monotonic() >= begin + timeout_s:
            break
        found[target] = wait(target)
    left = [target for target in targets if target not in found]
    with ThreadPoolExecutor(max_workers=max(1, len(left))) as pool:
        found.update(zip(left, pool.map(wait, left), strict=True))
    return {"ok": all(each["error"] is None for each in found.values()), "targets": found}


def probe_http(url: str) -> str | None:
    """Whether `url` answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT_S) as response:
            status: int = response.status
    except urllib.error.HTTPError as error:
        # An error is a response too, and holds its connection.
        error.close()
        return f"HTTP {error.code}"
    except urllib.error.URLError as error:
        return str(error.reason)
    except OSError as error:
        return str(error) or type(error).__name__
    return None if status == 200 else f"HTTP {status}"


def ntp_probe(daemons: Mapping[str, str]) -> Probe:
    """A probe of NTP daemons; `daemons` says which one a host has, chrony where it says nothing."""

    def probe(host: str) -> str | None:
        daemon = daemons.get(host, "chrony")
        program = "chronyd" if daemon == "chrony" else daemon
        return None if ASK[daemon](host) else f"{program} does not answer"

    return probe
