"""Templates: everything that comes from outside is escaped; a missing value is an error."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@cache
def environment() -> Environment:
    """The templates of this folder."""
    return Environment(
        loader=PackageLoader("ntplab.report"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def page(template: str, style_name: str, values: Mapping[str, Any]) -> str:
    """A whole page that needs nothing from outside, and by its own policy may not ask for it."""
    style = _style(style_name)
    policy = f"default-src 'none'; style-src '{digest(style)}'; base-uri 'none'; form-action 'none'"
    return environment().get_template(template).render(values, style=Markup(style), policy=policy)


def digest(text: str) -> str:
    """What a Content-Security-Policy allows an inline block by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _style(name: str) -> str:
    folder = files("ntplab.report") / "templates"
    return "\n" + "".join((folder / part).read_text() for part in ("colors.css", name))
