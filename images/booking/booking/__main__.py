"""`python3 -m booking`: read the environment, serve until told to stop.

Exit codes: 0 after SIGTERM, 1 when the database never came, 78 when the environment is wrong.
"""

from __future__ import annotations

import gc
import os
import sys

EXIT_FAILED = 1
EXIT_CONFIG = 78
GRACE_S = 2
KEEPALIVE_S = 75


def main() -> int:
    """Serve; gives back the exit code."""
    # Imports make nothing but what stays: looking for garbage takes a tenth of them.
    gc.disable()
    from booking.config import ConfigError, changes, read_settings

    try:
        settings = read_settings(os.environ, changes())
    except ConfigError as error:
        for problem in error.problems:
            print(f"booking: {problem}", file=sys.stderr)
        print("hint: docs/reference/booking-api.md describes every variable", file=sys.stderr)
        return EXIT_CONFIG

    import uvicorn

    from booking import log
    from booking.app import create_app
    from booking.service import Service

    gc.freeze()
    gc.enable()
    log.configure(settings.node, settings.log_level)

    def give_up() -> None:
        server.should_exit = True

    service = Service(settings, give_up)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(service),
            host=settings.listen,
            port=settings.port,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            # The standard Date header would be made from this server's wall clock once a second;
            # the answers carry exact stamps instead.
            date_header=False,
            timeout_graceful_shutdown=GRACE_S,
            timeout_keep_alive=KEEPALIVE_S,
            backlog=2048,
        )
    )
    server.run()
    return EXIT_FAILED if service.failed else 0


if __name__ == "__main__":
    sys.exit(main())
