"""Numbers in tables for people: rounding does not make a score look perfect or zero, and decimals resolve the grid."""

from __future__ import annotations

import pytest

from segeval.metrics import Quantity
from segeval.reports.notation import decimals, number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0000"),
        (-1.0, "-1.0000"),
        (1 - 1e-12, "0.9999"),
        (-1 + 1e-12, "-0.9999"),
        (1 + 1e-12, "1.0001"),
        (0.0, "0.0000"),
        (-0.0, "0.0000"),
        (4.9e-5, "4.9e-05"),
        (-1e-300, "-1.0e-300"),
        (5.1e-5, "0.0001"),
        (0.93125, "0.9313"),
        (35.2, "35.2000"),
        (float("inf"), "inf"),
    ],
)
def test_ratio_is_never_rounded_to_a_perfect_score(value: float, text: str) -> None:
    if value == 0.93125:
        value += 1e-9  # a tie would depend on its binary form
    assert number(value, Quantity.RATIO, decimals=4) == text


@pytest.mark.parametrize(
    ("quantity", "spacing", "expected"),
    [
        (Quantity.LENGTH, (2.0, 0.75, 0.75), 2),
        (Quantity.LENGTH, (1.0, 1.0), 2),
        (Quantity.LENGTH, (0.05, 0.05), 3),
        (Quantity.LENGTH, (1e-9, 1e-9), 6),
        (Quantity.VOLUME, (1.0, 1.0, 1.0), 3),
        (Quantity.VOLUME, (5.0, 0.75, 0.75), 3),
        (Quantity.VOLUME, (0.5, 0.5, 0.5), 4),
        (Quantity.VOLUME, (1e-3, 1e-3, 1e-3), 6),
        (Quantity.VOLUME, None, 3),
        (Quantity.COUNT, (1.0, 1.0), 0),
    ],
)
def test_decimals_resolve_the_grid(quantity: Quantity, spacing: tuple[float, ...] | None, expected: int) -> None:
    assert decimals(quantity, spacing=spacing) == expected
