"""The registry of policies: one file each, found by its name (`timestamp_order.py` is
`timestamp-order`), imported only when it is the one in use."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from booking.policy import Policy


def names() -> tuple[str, ...]:
    """The policies that have a file here, sorted."""
    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))


def load(name: str) -> type[Policy]:
    """The policy class of the file for `name`. Raises KeyError when there is no such file."""
    if name not in names():
        raise KeyError(name)
    policy: type[Policy] = import_module(f"{__name__}.{name.replace('-', '_')}").POLICY
    policy.name = name
    return policy
