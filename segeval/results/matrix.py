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
    """Where each of some scores is in a matrix of cases by labels and metrics.

    Parameters
    ----------
    columns
        Label and metric of each column.
    case_count
        How many cases there are, which are the rows.
    places
        Row and column of each score; the row -1 for a score of another case.
    """

    columns: list[tuple[Key, str]]
    case_count: int
    places: tuple[NDArray[np.int64], NDArray[np.intp]]

    @classmethod
    def of(cls, scores: Scores, cases: Sequence[str], *, order: Callable[[Key, str], Any] | None = None) -> ScoreMatrix:
        """Find the place of each score.

        Parameters
        ----------
        scores
            Their labels and metrics are the columns, of other cases too.
        cases
            The rows, in their order.
        order
            Sort key of a column by its label and metric; by default labels, then metrics come as they were first met.
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
        """The matrix of a value of each score, `missing` where a case has no such score; shape (cases, columns)."""
        matrix = np.full((self.case_count + 1, len(self.columns)), missing, values.dtype)
        matrix[self.places] = values  # those of other cases in the last row
        return matrix[:-1]
