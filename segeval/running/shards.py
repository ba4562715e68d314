"""One run in parts: which cases belong to a part, and parts put together, as if one machine had scored them all.

Parts must rest on the same settings and share no case. Where they are shards of a run, all of them must be there.
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
    """The cases of one part of a run in several: ``"2/3"`` is every third from the second; None is all of them.

    Raises
    ------
    UsageError
        It is no part.

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
        raise UsageError(f"a shard is I/N, from 1/N to N/N, found {shown(shard)!r}")
    return int(number), int(count)


def merge(parts: Mapping[str, Results]) -> Results:
    """Put the parts of one run together, without summary and gate.

    Parameters
    ----------
    parts
        Where each is from, for messages -> the part.

    Returns
    -------
    Results
        The same as one run over all their cases gives.

    Raises
    ------
    UsageError
        No part.
    InputError
        Parts that rest on different settings, share a case, or are not all shards of one run.
    """
    if not parts:
        raise UsageError("there is no part to merge")
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
                f"it was scored by segeval {shown(part.version)}, {shown(first)} by {shown(expected.version)}",
                source=source,
                hint="score all parts by one version",
            )
        keys = {*part.settings, *expected.settings}
        different = sorted(key for key in keys if part.settings.get(key) != expected.settings.get(key))
        if different or part.metrics != expected.metrics:
            raise InputError(
                f"its settings are not those of {shown(first)}: {', '.join(map(shown, different)) or 'metrics'} differ",
                source=source,
                hint="parts of one run have the same options",
            )


def _check_shards(parts: Mapping[str, Results]) -> None:
    shards = {source: part.shard for source, part in parts.items() if part.shard is not None}
    if not shards:
        return
    whole = [source for source in parts if source not in shards]
    if whole:
        raise InputError("it is a run of its own, the others are parts of one", source=whole[0])
    seen: dict[int, str] = {}
    (first, expected), *_ = shards.items()
    _, count = _numbers(expected, first)
    for source, shard in shards.items():
        number, of = _numbers(shard, source)
        other = seen.setdefault(number, source) if of == count else first
        if other != source:
            raise InputError(f"it is part {shard.part}, and {shown(other)} is {shards[other].part}", source=source)
        if (shard.cases, shard.digest) != (expected.cases, expected.digest):
            raise InputError(
                f"it is a part of other cases than {shown(first)} is: {shard.cases} and {expected.cases} in all",
                source=source,
                hint="the folders are others, or have changed in between; score all parts again",
            )
    lacking = [f"{number}/{count}" for number in range(1, count + 1) if number not in seen]
    if lacking:
        raise InputError(f"{_parts(lacking)} missing", hint="give the results of every part")


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
                    f"the case {shown(record.case)} is in {shown(sources[record.case])} too", source=source
                )
