"""Scores as matrices with a row for each case and a column for each label and metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segeval.maps.labels import Key
from segeval.results.columns import Scores

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreMatrix:
    """Positions of scores in a matrix of cases by labels and metrics.

    Parameters
    ----------
    columns
        Label and metric of each column.
    case_count
        Number of cases, which are the rows.
    places
        Row and column of each score; row -1 for a score of another case.
    """

    columns: list[tuple[Key, str]]
    case_count: int
    places: tuple[NDArray[np.int64], NDArray[np.intp]]

    @classmethod
    def of(cls, scores: Scores, cases: Sequence[str], *, order: Callable[[Key, str], Any] | None = None) -> ScoreMatrix:
        """Find the position of each score.

        Parameters
        ----------
        scores
            Scores, whose labels and metrics are the columns, including those of other cases.
        cases
            Names of the cases, which are the rows.
        order
            Sort key of a column by label and metric; by default both are in the order of their first occurrence.
        """
        width = max(1, len(scores.metrics.values))
        codes = scores.label_codes * np.int64(width) + scores.metric_codes
        occurring = np.flatnonzero(np.bincount(codes)).tolist()
        labels, metrics = scores.labels.values, scores.metrics.values
        column_of_code = {code: (labels[code // width], metrics[code % width]) for code in occurring}
        if order is not None:
            occurring.sort(key=lambda code: order(*column_of_code[code]))
        place_of_code = np.zeros(len(labels) * width, np.intp)
        place_of_code[occurring] = np.arange(len(occurring))
        return cls(
            columns=[column_of_code[code] for code in occurring],
            case_count=len(cases),
            places=(scores.cases.places_in(cases)[scores.case_codes], place_of_code[codes]),
        )

    def filled(self, values: NDArray[Number], missing: float) -> NDArray[Number]:
        """Return the matrix of one value for each score, `missing` elsewhere; shape (cases, columns)."""
        matrix = np.full((self.case_count + 1, len(self.columns)), missing, values.dtype)
        matrix[self.places] = values  # scores of other cases are in the last row
        return matrix[:-1]
