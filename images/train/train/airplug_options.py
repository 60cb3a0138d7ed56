"""`ntplab-train office` and `client`: a node under Airplug's term mode, with its options."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from .airplug import Header, HeaderMode, Subscriptions, Zone, read_subscription
from .config import Config
from .customers import Load
from .envelope import check_node_name
from .errors import UsageError
from .node import Settings
from .office_state import HoldClock, Protocol
from .options import add_wish, count, typed
from .pipes import Terminal
from .place import Place
from .quantities import duration_ns
from .service import Service, run
from .ticket import BadValueError, Wish

APP_DEFAULT = "TRN"
AUTO_MS_DEFAULT = 1000
MS = 1_000_000
QUIET, FACTS, LINES = 0, 1, 2


def add_office(programs: Any) -> None:
    """The command line of `office`."""
    parser = programs.add_parser(
        "office", help="run the ticket office on stdin and stdout (Airplug)", allow_abbrev=False,
        description="The office (guichet) under Airplug's term mode: one message per line on stdin "
        "and stdout, the log on stderr.",
    )  # fmt: skip
    _add_airplug(parser)
    parser.add_argument(
        "--clients", type=_names, default=frozenset(), metavar="A,B,…",
        help="clients that a snapshot has to wait for; others are known once they write",
    )  # fmt: skip
    parser.add_argument(
        "--protocol", choices=[p.value for p in Protocol], default=Protocol.CONFIRMED.value,
        help="confirmed, or literal: the founding document word by word, which sells twice",
    )  # fmt: skip
    parser.add_argument(
        "--hold", type=typed(duration_ns), default=Config("o", "o").hold_ns, metavar="TIME",
        help="how long a ticket is held for a client's confirmation (5s)",
    )  # fmt: skip
    parser.add_argument(
        "--hold-clock", choices=[c.value for c in HoldClock], default=HoldClock.MONOTONIC.value,
        help="the clock that holds are counted on; wall is the flaw",
    )  # fmt: skip
    parser.add_argument(
        "--timetable", type=Path, metavar="CSV", help="tickets of a new office; see examples/"
    )
    parser.set_defaults(run=_run_office)


def add_client(programs: Any) -> None:
    """The command line of `client`."""
    parser = programs.add_parser(
        "client", help="run a client on stdin and stdout (Airplug)", allow_abbrev=False,
        description="A client under Airplug's term mode: one message per line on stdin and "
        "stdout, the log on stderr.",
    )  # fmt: skip
    _add_airplug(parser)
    parser.add_argument("--office", default="office", metavar="NAME", help="its office (office)")
    parser.add_argument(
        "--by-hand", action="store_true",
        help="leave offers to be confirmed or refused by `ask`; without, it confirms by itself",
    )  # fmt: skip
    parser.add_argument(
        "--requests", type=count, metavar="N", help="with --auto: end the load after N requests"
    )
    add_wish(parser)
    parser.set_defaults(run=_run_client)


def _add_airplug(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ident", required=True, metavar="NAME", help="the node's name, unique among all nodes"
    )
    parser.add_argument(
        "--auto", nargs="?", type=count, const=AUTO_MS_DEFAULT, metavar="MS",
        help="a client asks for tickets by itself, so long after the last, on average "
        f"({AUTO_MS_DEFAULT}); an office serves in any case",
    )  # fmt: skip
    parser.add_argument(
        "--appname", default=APP_DEFAULT, metavar="APP",
        help=f"this application's name, three capital letters ({APP_DEFAULT})",
    )  # fmt: skip
    mode = parser.add_mutually_exclusive_group()
    for name, what in (
        (HeaderMode.WHAT, "no header"),
        (HeaderMode.WHATWHO, "header: sender's and destination's application"),
        (HeaderMode.WHATWHOWHERE, "header: both and the zone (default)"),
    ):
        mode.add_argument(
            f"--{name.value}", dest="mode", action="store_const", const=name, help=what
        )
    parser.add_argument(
        "--begin", action="append", default=[], type=typed(read_subscription),
        metavar="APP[:air|:lch]", help="take messages of that application, too",
    )  # fmt: skip
    parser.add_argument(
        "--dest", type=typed(read_subscription), metavar="APP[:air|:lch]",
        help="the application to write to, and its zone (this one's own, air)",
    )  # fmt: skip
    parser.add_argument(
        "--verbose", type=count, default=FACTS, metavar="N",
        help="0: errors only, 1: what happens (default), 2: and every line",
    )  # fmt: skip
    parser.add_argument("--notk", action="store_true", help="accepted: there is no window anyway")
    parser.add_argument(
        "--state", type=Path, metavar="DIR",
        help="where the node keeps its state; without, it is forgotten at the end",
    )  # fmt: skip
    parser.add_argument(
        "--control", type=Path, metavar="PATH", help="control socket (DIR/control.sock)"
    )
    parser.add_argument(
        "--seed", type=count, default=1, metavar="N", help="of all that is drawn (1)"
    )
    parser.add_argument(
        "--hops", type=count, default=Settings().hops, metavar="N",
        help=f"how often a message may be forwarded ({Settings().hops})",
    )  # fmt: skip
    parser.add_argument(
        "--retry", type=typed(duration_ns), default=Settings().retry_ns, metavar="TIME",
        help="when what is not acknowledged is sent again, at first (500ms)",
    )  # fmt: skip


def _run_office(arguments: argparse.Namespace) -> int:
    config = Config(
        name=arguments.ident,
        office=arguments.ident,
        clients=arguments.clients,
        protocol=Protocol(arguments.protocol),
        hold_clock=HoldClock(arguments.hold_clock),
        hold_ns=arguments.hold,
        settings=_settings(arguments),
        seed=arguments.seed,
    )
    return _run(arguments, config, None, _csv(arguments.timetable))


def _run_client(arguments: argparse.Namespace) -> int:
    config = Config(
        name=arguments.ident,
        office=arguments.office,
        auto_confirm=not arguments.by_hand,
        settings=_settings(arguments),
        seed=arguments.seed,
    )
    if config.is_office:
        raise UsageError(f"a client and its office are both called {config.name}")
    load = None
    if arguments.auto is not None:
        wish = Wish(arguments.origin, arguments.destination, arguments.day)
        load = Load(arguments.seed, arguments.auto * MS, arguments.requests, (wish,))
    return _run(arguments, config, load, None)


def _settings(arguments: argparse.Namespace) -> Settings:
    return Settings(hops=arguments.hops, retry_ns=arguments.retry)


def _run(arguments: argparse.Namespace, config: Config, load: Load | None, csv: str | None) -> int:
    if arguments.state is not None:
        return _run_in(arguments.state, arguments, config, load, csv)
    with tempfile.TemporaryDirectory(prefix=f"ntplab-train-{config.name}-") as directory:
        return _run_in(Path(directory), arguments, config, load, csv)


def _run_in(
    directory: Path,
    arguments: argparse.Namespace,
    config: Config,
    load: Load | None,
    csv: str | None,
) -> int:
    place = Place(directory)

    async def live() -> int:
        terminal = _terminal(arguments)
        service = Service(config, place, terminal, lambda what: _log(arguments.verbose, what))
        return await service.run(arguments.control or place.control, load=load, csv=csv)

    try:
        return run(live())
    finally:
        place.close()


def _terminal(arguments: argparse.Namespace) -> Terminal:
    app = arguments.appname
    destination, zone = arguments.dest or (app, Zone.AIR)
    watch = (lambda what: _say(arguments.ident, what)) if arguments.verbose >= LINES else None
    return Terminal(
        arguments.mode or HeaderMode.WHATWHOWHERE,
        Header(app, destination, zone),
        Subscriptions(app, frozenset({(app, Zone.AIR), *arguments.begin})),
        f"{arguments.seed} {arguments.ident}",
        watch,
    )


def _log(verbose: int, document: dict[str, Any]) -> None:
    """What happened, in words, on stderr."""
    if document["t"] == "rejected":
        words = f"line rejected: {document['reason']}"
    elif verbose < FACTS:
        return
    elif document["t"] == "fact":
        words = " ".join([document["event"], *_of(document)])
    else:
        words = document["t"]
    _say(document["node"], f"[{document['lamport']}] {words}")


def _of(document: dict[str, Any]) -> list[str]:
    names = {"ticket_id": "ticket", "client": "client", "request": "request"}
    return [
        f"{word} {document[name]}" for name, word in names.items() if document[name] is not None
    ]


def _say(node: str, words: str) -> None:
    sys.stderr.write(f"{node}: {words}\n")
    sys.stderr.flush()


def _csv(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text()
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error


def _names(text: str) -> frozenset[str]:
    try:
        return frozenset(check_node_name(name) for name in text.split(",") if name)
    except BadValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
