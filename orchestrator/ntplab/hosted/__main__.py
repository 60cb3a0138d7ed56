"""`python3 -m ntplab.hosted`: what `./ntplab doctor --host` says, where there is no environment."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from .doctor import HostCheck, examine

FAILED = 5


def main(arguments: list[str]) -> int:
    """Print every check; 5 if one fails, as `doctor` does."""
    wrong = [word for word in arguments if word not in ("doctor", "--host", "--json")]
    if wrong:
        sys.stderr.write(f"error: this host answers `ntplab doctor --host`, not {wrong[0]}\n")
        return 2
    checks = examine()
    failed = any(check.status == "fail" for check in checks)
    if "--json" in arguments:
        document = {"schema": 1, "ok": not failed, "checks": [asdict(check) for check in checks]}
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        sys.stdout.write("".join(map(_line, checks)))
    return FAILED if failed else 0


def _line(check: HostCheck) -> str:
    hint = f"     hint: {check.hint}\n" if check.hint and check.status != "ok" else ""
    return f"{check.status:4} {check.name}: {check.detail}\n{hint}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
