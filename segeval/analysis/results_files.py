"""Results files side by side: each one's scores as a matrix, a row for each case, and labels that are called alike.

What puts the numbers of several runs together reads them here. Labels come by number, then regions, then what is over
all labels; a file that does not name a label has the name of another. Nothing here knows what the numbers are for.
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
    """One file.

    Parameters
    ----------
    title
        What it is called in a report.
    results
        What is in it.
    column_of
        Label and metric -> column.
    values, notes
        Scores and codes of their notes, shape (cases, columns): NaN where there is no value, -1 where there is no row.
    names
        Label -> name; its number where no file names it.
    """

    title: str
    results: Results
    column_of: dict[tuple[Key, str], int]
    values: Values
    notes: NDArray[np.int16]
    names: dict[Key, str]

    @classmethod
    def of(cls, title: str, results: Results) -> ResultsFile:
        """A file with the names that are in itself."""
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
        """Values and codes of notes of a label and metric, for all cases."""
        place = self.column_of.get(kind)
        if place is None:
            cases = len(self.results.cases)
            return np.full(cases, np.nan), np.full(cases, -1, np.int16)
        return self.values[:, place], self.notes[:, place]

    def units(self) -> dict[str, str | None]:
        """Metric -> unit of its first value."""
        scores = self.results.scores
        codes, places = np.unique(scores.metric_codes, return_index=True)
        return {
            scores.metrics.values[code]: scores[place].unit
            for code, place in zip(codes.tolist(), places.tolist(), strict=True)
        }


def results_files(files: Mapping[str, Results]) -> list[ResultsFile]:
    """Files with the names that they give labels, and those that other files give them.

    Parameters
    ----------
    files
        What each is called -> its results.
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
    """See that a file has scores of some metrics, as they are written in results.

    Raises
    ------
    UsageError
        It has none of one; `path` is the file's.
    """
    there = results.scored_metrics
    lacking = [token for token in tokens if token not in there]
    if lacking:
        known = f"there are {enumerated(there, shown)}" if there else "there is none at all"
        raise UsageError(f"no score of {', '.join(lacking)}", source=path, hint=known)


def wanted_labels(sources: Sequence[ResultsFile], labels: Iterable[Key], wanted: Collection[str]) -> list[Key]:
    """Those of some labels that are wanted, in order.

    Parameters
    ----------
    sources
        The files that name the labels.
    labels
        Those that there are.
    wanted
        Numbers or names; all are if there is none.

    Raises
    ------
    UsageError
        There is no such label.
    """
    ordered = sorted(dict.fromkeys(labels), key=label_order)
    if not wanted:
        return ordered
    called = {label: {str(label), *(source.names[label] for source in sources)} for label in ordered}
    lacking = [each for each in wanted if all(each not in texts for texts in called.values())]
    if lacking:
        known = [sources[0].names[label] for label in ordered]
        raise UsageError(
            f"no score for the label {', '.join(repr(shown(each)) for each in lacking)}",
            hint=f"there are {enumerated(known, shown)}" if known else "there is none at all",
        )
    return [label for label in ordered if not called[label].isdisjoint(wanted)]


def label_order(label: Key) -> tuple[int, int]:
    """Sort key of a label: by number, then regions, then what is over all labels."""
    return (0, label) if isinstance(label, int) else (2 if label == ALL else 1, 0)


def _names_in(results: Results) -> dict[Key, str]:
    """Label -> its name, the first that a case has for it."""
    scores = results.scores
    width = len(scores.names.values) + 1
    names: dict[Key, str] = {}
    for code in np.unique(scores.label_codes.astype(np.int64) * width + scores.name_codes).tolist():
        label, name = scores.labels.values[code // width], scores.names.values[code % width]
        if name is not None:
            names.setdefault(label, name)
    return names
