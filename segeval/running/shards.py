"""Sharded runs: select the cases of a part, and merge parts into the results of one run.

Parts must have the same settings and share no case. All parts of a sharded run must be given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segeval.errors import InputError, UsageError, shown
from segeval.results.columns import CaseCounts, Scores
from segeval.results.results import Results
from segeval.results.run_rows import Shard
from segeval.scoring.case import Case
from segeval.scoring.cases import grids_of, plan_behind, signature_of
from segeval.text import natural_order


def shard_of(cases: Sequence[Case], shard: str | None) -> list[Case]:
    """Return the cases of one part: ``"2/3"`` is every third from the second; None is all of them.

    Raises
    ------
    UsageError
        The text is not of the form I/N.

    Examples
    --------
    >>> names = [Case(name=name, prediction=None, reference=name) for name in "abcde"]
    >>> [case.name for case in shard_of(names, "2/3")]
    ['b', 'e']
    """
    number, count = (1, 1) if shard is None else parse_shard(shard)
    return list(cases[number - 1 :: count])


def parse_shard(shard: str) -> tuple[int, int]:
    """Read ``"2/3"``; see `shard_of`."""
    number, slash, count = shard.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise UsageError(f"the shard must be I/N with I from 1 to N, such as 2/3, not {shown(shard)!r}")
    return int(number), int(count)


def merge(parts: Mapping[str, Results]) -> Results:
    """Merge the parts of one run, without summary and gate.

    Parameters
    ----------
    parts
        Results of the parts, by the name of each part in messages.

    Returns
    -------
    Results
        The same results as those of one run over all cases.

    Raises
    ------
    UsageError
        There is no part.
    InputError
        Parts have different settings, share a case, or are not all parts of one run.
    """
    if not parts:
        raise UsageError("no part to merge")
    _check_settings(parts)
    _check_shards(parts)
    _check_cases(parts)
    first = next(iter(parts.values()))
    cases = sorted(
        (record for part in parts.values() for record in part.cases),
        key=lambda record: (natural_order(record.case), record.case),
    )
    names = [record.case for record in cases]
    plan = plan_behind(first, source=next(iter(parts)))
    return Results(
        version=first.version,
        signature=signature_of(plan, cases, first.settings),
        footnote=plan.footnote(grids_of(cases), first.settings),
        settings=first.settings,
        metrics=first.metrics,
        cases=tuple(cases),
        scores=Scores(row for part in parts.values() for row in part.scores).of(names),
        counts=CaseCounts(row for part in parts.values() for row in part.counts).of(names),
        warnings=tuple(dict.fromkeys(warning for part in parts.values() for warning in part.warnings)),
    )


def _check_settings(parts: Mapping[str, Results]) -> None:
    (first, expected), *others = parts.items()
    for source, part in others:
        if part.version != expected.version:
            raise InputError(
                f"scored by segeval {shown(part.version)}, but {shown(first)} by {shown(expected.version)}",
                source=source,
                hint="score all parts with one version",
            )
        keys = {*part.settings, *expected.settings}
        different = sorted(key for key in keys if part.settings.get(key) != expected.settings.get(key))
        if different or part.metrics != expected.metrics:
            raise InputError(
                f"settings differ from {shown(first)}: {', '.join(map(shown, different)) or 'metrics'}",
                source=source,
                hint="score all parts with the same options",
            )


def _check_shards(parts: Mapping[str, Results]) -> None:
    shards = {source: part.shard for source, part in parts.items() if part.shard is not None}
    if not shards:
        return
    whole = [source for source in parts if source not in shards]
    if whole:
        raise InputError("a complete run, but other files are parts of a run", source=whole[0], hint="leave it out")
    seen: dict[int, str] = {}
    (first, expected), *_ = shards.items()
    _, count = _numbers(expected, first)
    for source, shard in shards.items():
        number, of = _numbers(shard, source)
        other = seen.setdefault(number, source) if of == count else first
        if other != source:
            raise InputError(
                f"part {shard.part}, but {shown(other)} is part {shards[other].part}",
                source=source,
                hint="give each part of one run once",
            )
        if (shard.cases, shard.digest) != (expected.cases, expected.digest):
            raise InputError(
                f"part of a run with other cases than {shown(first)}: {shard.cases} and {expected.cases} in all",
                source=source,
                hint="score all parts again: the folders differ or have changed",
            )
    lacking = [f"{number}/{count}" for number in range(1, count + 1) if number not in seen]
    if lacking:
        raise InputError(f"{_parts(lacking)} missing", hint="give the results of all parts")


def _numbers(shard: Shard, source: str) -> tuple[int, int]:
    try:
        return parse_shard(shard.part)
    except UsageError as error:
        raise InputError(error.problem, source=source) from None


def _parts(names: Sequence[str]) -> str:
    return f"part {names[0]} is" if len(names) == 1 else f"parts {', '.join(names)} are"


def _check_cases(parts: Mapping[str, Results]) -> None:
    sources: dict[str, str] = {}
    for source, part in parts.items():
        for record in part.cases:
            if sources.setdefault(record.case, source) != source:
                raise InputError(
                    f"the case {shown(record.case)} is also in {shown(sources[record.case])}", source=source
                )
