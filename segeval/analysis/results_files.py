"""Several results files side by side: score matrices with a row for each case, and common label names.

Labels are sorted by number, then come regions, then metrics over all labels. A label without a name in one file gets
its name from another file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segeval.errors import UsageError, shown
from segeval.maps.labels import Key
from segeval.results.matrix import ScoreMatrix
from segeval.results.results import Results
from segeval.results.rows import ALL
from segeval.results.statistics import Values
from segeval.text import enumerated


@dataclass(slots=True, kw_only=True)
class ResultsFile:
    """One results file.

    Parameters
    ----------
    title
        Name of the file in a report.
    results
        The results.
    column_of
        Column numbers, by label and metric.
    values, notes
        Scores and codes of their notes, shape (cases, columns): NaN without a value, -1 without a row.
    names
        Names of the labels; the number if no file has a name.
    """

    title: str
    results: Results
    column_of: dict[tuple[Key, str], int]
    values: Values
    notes: NDArray[np.int16]
    names: dict[Key, str]

    @classmethod
    def of(cls, title: str, results: Results) -> ResultsFile:
        """Make a file with its own label names only."""
        scores = results.scores
        matrix = ScoreMatrix.of(scores, [record.case for record in results.cases])
        return cls(
            title=title,
            results=results,
            column_of={kind: place for place, kind in enumerate(matrix.columns)},
            values=matrix.filled(scores.values, np.nan),
            notes=matrix.filled(scores.note_codes, -1),
            names=_names_in(results),
        )

    def column(self, kind: tuple[Key, str]) -> tuple[Values, NDArray[np.int16]]:
        """Values and note codes of a label and metric, for all cases."""
        place = self.column_of.get(kind)
        if place is None:
            cases = len(self.results.cases)
            return np.full(cases, np.nan), np.full(cases, -1, np.int16)
        return self.values[:, place], self.notes[:, place]

    def units(self) -> dict[str, str | None]:
        """Unit of the first value of each metric."""
        scores = self.results.scores
        codes, places = np.unique(scores.metric_codes, return_index=True)
        return {
            scores.metrics.values[code]: scores[place].unit
            for code, place in zip(codes.tolist(), places.tolist(), strict=True)
        }


def results_files(files: Mapping[str, Results]) -> list[ResultsFile]:
    """Make results files with common label names.

    Parameters
    ----------
    files
        Results, by title.
    """
    sources = [ResultsFile.of(title, results) for title, results in files.items()]
    shared: dict[Key, str] = {}
    for source in sources:
        shared = source.names | shared
    every = [label for source in sources for label, _ in source.column_of]
    every += [label for source in sources for label in source.results.counts.labels.values]
    numbers = {label: str(label) for label in every}
    for source in sources:
        source.names = numbers | shared | source.names
    return sources


def check_metrics(results: Results, tokens: Iterable[str], *, path: str) -> None:
    """Check that a file has scores of some metrics.

    Raises
    ------
    UsageError
        There are no scores of a metric; `path` is that of the file.
    """
    there = results.scored_metrics
    lacking = [token for token in tokens if token not in there]
    if lacking:
        known = f"the file has {enumerated(there, shown)}" if there else "the file has no scores"
        raise UsageError(f"no scores of {', '.join(lacking)}", source=path, hint=known)


def wanted_labels(sources: Sequence[ResultsFile], labels: Iterable[Key], wanted: Collection[str]) -> list[Key]:
    """Select the wanted labels, in order.

    Parameters
    ----------
    sources
        Files with the names of the labels.
    labels
        Existing labels.
    wanted
        Numbers or names of the wanted labels; empty for all.

    Raises
    ------
    UsageError
        A wanted label does not exist.
    """
    ordered = sorted(dict.fromkeys(labels), key=label_order)
    if not wanted:
        return ordered
    called = {label: {str(label), *(source.names[label] for source in sources)} for label in ordered}
    lacking = [each for each in wanted if all(each not in texts for texts in called.values())]
    if lacking:
        known = [sources[0].names[label] for label in ordered]
        raise UsageError(
            f"no scores of the label {', '.join(repr(shown(each)) for each in lacking)}",
            hint=f"the labels are {enumerated(known, shown)}" if known else "there are no labels",
        )
    return [label for label in ordered if not called[label].isdisjoint(wanted)]


def label_order(label: Key) -> tuple[int, int]:
    """Sort key of a label: numbers, then regions, then metrics over all labels."""
    return (0, label) if isinstance(label, int) else (2 if label == ALL else 1, 0)


def _names_in(results: Results) -> dict[Key, str]:
    """Names of the labels; the first if cases differ."""
    scores = results.scores
    width = len(scores.names.values) + 1
    names: dict[Key, str] = {}
    for code in np.unique(scores.label_codes.astype(np.int64) * width + scores.name_codes).tolist():
        label, name = scores.labels.values[code // width], scores.names.values[code % width]
        if name is not None:
            names.setdefault(label, name)
    return names
