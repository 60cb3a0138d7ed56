"""What the command line makes of numbers."""

from __future__ import annotations

import pytest

from ntplab.cli.clock import correction_ppm, format_divergence


@pytest.mark.parametrize(
    ("frequency_ppm", "tick", "shown_ppm"),
    [
        (0.0, 10_000, 0.0),
        (-104.072, 10_000, -104.072),
        (0.046, 9_998, -199.954),
        (-1.5, 10_003, 298.5),
    ],
)
def test_a_correction_is_frequency_and_tick_together(
    frequency_ppm: float, tick: int, shown_ppm: float
) -> None:
    clock = {"frequency_ppm": frequency_ppm, "tick": tick}
    assert correction_ppm(clock) == pytest.approx(shown_ppm)


@pytest.mark.parametrize(
    ("divergence_ns", "text"),
    [
        (0, "+0s"),
        (741, "+741ns"),
        (-7_490, "-7.49us"),
        (11_308, "+11.308us"),
        (-5_000_846_560, "-5.001s"),
        (99_178_094_559_837_000, "+99178094.56s"),
    ],
)
def test_divergence_is_signed_and_has_three_decimals_at_most(divergence_ns: int, text: str) -> None:
    assert format_divergence(divergence_ns) == text
