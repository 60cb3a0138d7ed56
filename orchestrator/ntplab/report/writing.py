"""Which report a run gets, and where it is written. Read this first.

The report can be made again from the rest of the run directory, so it is written like
results.json: atomically, its line of SHA256SUMS renewed and no other. A point of a sweep is a
run of its own in a folder of the sweep's: there the sweep's own checksums are renewed too.
"""

from __future__ import annotations

from pathlib import Path

from ..analysis import Results, SweepResults
from ..analysis.train import is_train
from ..errors import EvidenceError, NtplabError
from ..evidence import RunDirectory
from ..evidence.checksums import SUMS, update_checksum
from ..evidence.files import write_atomic
from ..evidence.journal import POINTS
from .language import Language, language
from .page import run_page
from .sweep_page import sweep_page
from .train_page import train_page


def write_report(run: RunDirectory, lang: str = "en") -> Path:
    """Make the report of a judged run or sweep. Raises EvidenceError when it was not judged."""
    say = language(lang)
    return keep(run, report_name(lang), render(run, say).encode())


def try_report(run: RunDirectory) -> str:
    """At the end of a run: make its report, or say in words why there is none.

    Evidence and results are whole without it, and it can be made at any time: so nothing that
    goes wrong here, a mistake of ours included, may spoil the run.
    """
    try:
        write_report(run)
    except Exception as error:
        # One of an earlier sitting would tell less than what there is now.
        (run.path / report_name("en")).unlink(missing_ok=True)
        return error.message if isinstance(error, NtplabError) else repr(error)
    return ""


def render(run: RunDirectory, say: Language, linked: bool = True) -> str:
    """The report as HTML. `linked`: it will stand in the run directory, and links to its files."""
    results = read_results(run)
    if isinstance(results, SweepResults):
        return sweep_page(run, results, say, linked)
    if is_train(run.read_manifest()):
        return train_page(run, results, say, linked)
    return run_page(run, results, say, linked)


def report_name(lang: str, suffix: str = ".html", kind: str = "report") -> str:
    """`report.html`, `report.fr.pdf`: English is what the plain name has."""
    return f"{kind}{suffix}" if lang == "en" else f"{kind}.{lang}{suffix}"


def read_results(run: RunDirectory) -> Results | SweepResults:
    """How a run was judged."""
    kind = Results if run.read_manifest().sweep is None else SweepResults
    if not run.results.exists():
        raise EvidenceError(
            f"{run.path}: not judged yet", hint=f"./ntplab analyze {run.path} judges it"
        )
    try:
        return kind.model_validate_json(run.results.read_bytes())
    except (OSError, ValueError) as error:
        first = str(error).partition("\n")[0]
        raise EvidenceError(
            f"{run.results}: cannot be read: {first}",
            hint=f"./ntplab analyze {run.path} computes it again",
        ) from error


def points_of(run: RunDirectory, *, wanted: bool) -> list[RunDirectory]:
    """The finished points of a sweep, if they are `wanted`; of a run, none."""
    results = read_results(run) if wanted else None
    if not isinstance(results, SweepResults):
        return []
    return [RunDirectory(run.path / point.folder) for point in results.points if point.folder]


def keep(run: RunDirectory, name: str, content: bytes) -> Path:
    """Write something derived into a run directory, and vouch for it in its checksums."""
    write_atomic(run.path / name, content)
    vouch(run, name)
    return run.path / name


def vouch(run: RunDirectory, name: str) -> None:
    """Renew the checksum of a file that was made from the rest, also in the sweep around."""
    update_checksum(run.path, name)
    if run.path.parent.name != POINTS:
        return
    sweep = run.path.parent.parent
    inside = run.path.relative_to(sweep).as_posix()
    update_checksum(sweep, f"{inside}/{name}")
    if (run.path / SUMS).exists():
        update_checksum(sweep, f"{inside}/{SUMS}")
