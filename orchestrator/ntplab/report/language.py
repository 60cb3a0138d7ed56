"""The report's words in English or French, and its numbers to match. Pure.

Sentences that stand in results.json (reasons, notes, findings) are quoted as they are: English.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import UsageError
from .numbers import NBSP, Numbers
from .words_en import WORDS as ENGLISH
from .words_fr import WORDS as FRENCH

Code = Literal["en", "fr"]

_WORDS = {"en": ENGLISH, "fr": FRENCH}
_NUMBERS = {"en": Numbers(), "fr": Numbers(",", f"{NBSP}%")}
CODES = tuple(_WORDS)


@dataclass(frozen=True)
class Language:
    """Call it with a key for the words: `say("phase")`; KeyError for an unknown one."""

    code: str
    numbers: Numbers

    def __call__(self, key: str, /, **values: object) -> str:
        return _WORDS[self.code][key].format(**values)

    def has(self, key: str) -> bool:
        """Whether there are words for `key`."""
        return key in _WORDS[self.code]


def language(code: str) -> Language:
    """The language so named; UsageError if there is none."""
    if code not in _WORDS:
        raise UsageError(f"no report in language {code!r}", hint=f"there are: {', '.join(CODES)}")
    return Language(code, _NUMBERS[code])
