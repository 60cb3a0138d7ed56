"""Settings from the environment, checked as a whole before anything else is started.

docs/reference/booking-api.md documents each variable; a test compares the two. A lab that goes on
with another policy says so in a file (`CHANGE_FILE`), which wins over the environment: see
`reconfigure`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from booking import policies
from booking.policy import ParameterError, Policy, parse_params

NODE_PATTERN = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
PEER_PATTERN = re.compile(r"(?P<name>[^=\s]+)=(?P<url>https?://[^\s/]+)")

DEFAULTS = {
    "NTPLAB_POLICY_PARAMS": "{}",
    "NTPLAB_PEERS": "",
    "NTPLAB_LISTEN": "0.0.0.0",
    "NTPLAB_PORT": "8000",
    "NTPLAB_DB_PORT": "5432",
    "NTPLAB_DB_USER": "booking",
    "NTPLAB_DB_POOL": "8",
    "NTPLAB_DB_WAIT_S": "60",
    "NTPLAB_LOG_LEVEL": "info",
}
REQUIRED = ("NTPLAB_NODE", "NTPLAB_POLICY", "NTPLAB_DB_HOST", "NTPLAB_DB_PASSWORD_FILE")
LOG_LEVELS = ("debug", "info", "warning", "error")
CHANGE_FILE = Path("/etc/ntplab/booking.json")
"""`{"generation": 3, "policy": "lease", "params": {"ttl_ns": 2000000000}}`, where there is one."""


class ConfigError(Exception):
    """The environment is wrong; `problems` has one line per fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Settings:
    """What this process was started with."""

    node: str
    policy: type[Policy]
    params: Any
    peers: dict[str, str]
    listen: str
    port: int
    db_host: str
    db_port: int
    db_user: str
    db_password: str
    db_pool: int
    db_wait_s: int
    log_level: str
    generation: int = 0
    """How often the lab has changed the policy since the container was made."""

    @property
    def database(self) -> str:
        """Shared by all servers, or this server's own, as the policy wants it."""
        if self.policy.shared_database:
            return "booking"
        return "booking_" + self.node.replace("-", "_")


class _Reader:
    """Reads variables and collects what is wrong with them."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = {**DEFAULTS, **{k: v for k, v in env.items() if v}}
        self.problems = [f"{name}: not set" for name in REQUIRED if name not in self._env]

    def text(self, name: str) -> str:
        return self._env.get(name, "")

    def fault(self, name: str, what: str) -> None:
        self.problems.append(f"{name}: {what}")

    def integer(self, name: str, low: int, high: int) -> int:
        text = self.text(name)
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            self.fault(name, f"must be an integer from {low} to {high}, not {text!r}")
            return low
        return int(text)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        if (text := self.text(name)) and text not in allowed:
            self.fault(name, f"must be one of {', '.join(allowed)}, not {text!r}")
            return ""
        return text

    def node(self) -> str:
        name = self.text("NTPLAB_NODE")
        if name and not NODE_PATTERN.fullmatch(name):
            self.fault("NTPLAB_NODE", f"must be a lower-case host name, not {name!r}")
        return name

    def peers(self, node: str) -> dict[str, str]:
        peers: dict[str, str] = {}
        for word in self.text("NTPLAB_PEERS").split():
            found = PEER_PATTERN.fullmatch(word)
            if not found:
                self.fault("NTPLAB_PEERS", f"{word!r} is not like paris=http://paris:8000")
            elif found["name"] == node or found["name"] in peers:
                self.fault("NTPLAB_PEERS", f"{found['name']!r} is this server or named twice")
            else:
                peers[found["name"]] = found["url"]
        return peers

    def password(self) -> str:
        path = self.text("NTPLAB_DB_PASSWORD_FILE")
        try:
            return Path(path).read_text(encoding="utf-8").strip() if path else ""
        except (OSError, UnicodeDecodeError) as error:
            self.fault("NTPLAB_DB_PASSWORD_FILE", f"cannot be read: {error}")
            return ""

    def params(self, policy: type[Policy] | None) -> Any:
        try:
            given = json.loads(self.text("NTPLAB_POLICY_PARAMS"))
        except ValueError as error:
            self.fault("NTPLAB_POLICY_PARAMS", f"is not JSON: {error}")
            return None
        if not isinstance(given, dict):
            self.fault("NTPLAB_POLICY_PARAMS", "must be a JSON object")
            return None
        try:
            return parse_params(policy.params_type, given) if policy else None
        except ParameterError as error:
            for fault in error.faults:
                self.fault("NTPLAB_POLICY_PARAMS", fault)
            return None


def changes(path: Path = CHANGE_FILE) -> dict[str, Any]:
    """What the lab has changed since this container was made: nothing where there is no file.

    Raises ConfigError when the file is not what `reconfigure` writes.
    """
    try:
        changed = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from error
    wanted = {"generation": int, "policy": str, "params": dict}
    if not isinstance(changed, dict) or {k: type(v) for k, v in changed.items()} != wanted:
        raise ConfigError([f"{path}: must hold generation, policy and params, and nothing else"])
    return changed


def read_settings(env: Mapping[str, str], changed: Mapping[str, Any] | None = None) -> Settings:
    """Settings of `env`, with the policy of `changed` where that holds one (see `changes`).

    Raises ConfigError that names every fault at once.
    """
    if changed:
        params = json.dumps(changed["params"])
        env = {**env, "NTPLAB_POLICY": changed["policy"], "NTPLAB_POLICY_PARAMS": params}
    reader = _Reader(env)
    node = reader.node()
    name = reader.choice("NTPLAB_POLICY", policies.names())
    policy = policies.load(name) if name else None
    given = {
        "node": node,
        "policy": policy,
        "params": reader.params(policy),
        "peers": reader.peers(node),
        "listen": reader.text("NTPLAB_LISTEN"),
        "port": reader.integer("NTPLAB_PORT", 1, 65535),
        "db_host": reader.text("NTPLAB_DB_HOST"),
        "db_port": reader.integer("NTPLAB_DB_PORT", 1, 65535),
        "db_user": reader.text("NTPLAB_DB_USER"),
        "db_password": reader.password(),
        "db_pool": reader.integer("NTPLAB_DB_POOL", 1, 100),
        "db_wait_s": reader.integer("NTPLAB_DB_WAIT_S", 1, 3600),
        "log_level": reader.choice("NTPLAB_LOG_LEVEL", LOG_LEVELS),
        "generation": changed["generation"] if changed else 0,
    }
    if reader.problems:
        raise ConfigError(reader.problems)
    return Settings(**given)
