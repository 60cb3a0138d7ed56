"""Which tests `./ntplab test` runs, and what it passes on to pytest."""

from __future__ import annotations

import pytest

from ntplab.cli.test import KINDS, kinds_and_arguments


@pytest.mark.parametrize(
    ("first", "rest", "kinds", "passed_on"),
    [
        (None, [], list(KINDS), ["-m", "not long"]),
        (None, ["-x"], list(KINDS), ["-m", "not long", "-x"]),
        ("clock", [], ["clock"], []),
        ("clock", ["-k", "leap"], ["clock"], ["-k", "leap"]),
        ("-k", ["leap"], list(KINDS), ["-m", "not long", "-k", "leap"]),  # test -- -k leap
    ],
)
def test_a_first_word_that_is_an_option_is_for_pytest(
    first: str | None, rest: list[str], kinds: list[str], passed_on: list[str]
) -> None:
    assert kinds_and_arguments(first, rest) == (kinds, passed_on)
