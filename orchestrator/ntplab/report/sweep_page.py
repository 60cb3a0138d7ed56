"""A sweep as a page: every point in one table, and the pictures over its axes."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.sweep_results import PointResult, SweepResults
from ..evidence import Manifest, RunDirectory
from ..scenario import value_words
from .again import again
from .language import Language
from .limits import phase_limits
from .page import common_values, shown_folder
from .rendering import page
from .sweep_figures import pictures
from .topology_figure import topology


def sweep_page(run: RunDirectory, results: SweepResults, say: Language, linked: bool = True) -> str:
    """The report of a sweep, as HTML."""
    manifest = run.read_manifest()
    described = _described(run, manifest, results.points)
    values = {
        **common_values(run, manifest.command_line, say, linked),
        "title": say("report_of", scenario=results.scenario),
        "manifest": described,
        "description": str(described.scenario.get("description", "")).strip(),
        "results": results,
        "axes": list(results.axes),
        "words": value_words,
        "pictures": pictures(results, say),
        "reports": [point.number for point in results.points if _has_report(run, point)],
        "limits": _limits(results, described, say),
        "again": again(manifest, shown_folder(run)),
        "topology": topology(described, say),
    }
    return page("sweep.html.j2", "report.css", values)


def _described(run: RunDirectory, manifest: Manifest, points: Sequence[PointResult]) -> Manifest:
    """The manifest of the first finished point, which knows machines and versions, as the sweep's;
    the sweep's own where no point came to its end."""
    folder = next((p.folder for p in points if p.folder), None)
    if folder is None:
        return manifest
    point = RunDirectory(run.path / folder).read_manifest()
    return point.model_copy(
        update={"started_at": manifest.started_at, "ended_at": manifest.ended_at}
    )


def _has_report(run: RunDirectory, point: PointResult) -> bool:
    return point.folder is not None and (run.path / point.folder / "report.html").exists()


def _limits(results: SweepResults, manifest: Manifest, say: Language) -> list[str]:
    """What no point shows, then what each point does not."""
    error = say.numbers.duration(manifest.clock_error_ns)
    found = [
        say("limit_clock", error=error, hz=say.numbers.real(manifest.clock_sample_hz)),
        say("limit_one_host"),
        say("limit_seed", seed=results.seed),
    ]
    if manifest.git_dirty:
        found.append(say("limit_dirty"))
    for point in results.points:
        for phase in point.phases:
            found += [f"{say('point')} {point.number}: {w}" for w in phase_limits(phase, say)]
    return found
