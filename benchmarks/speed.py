"""Time segeval against other tools, and against itself: ``python benchmarks/speed.py``.

Times are from files to scores, after the imports. Each tool runs in its own process, is warmed up on a tiny pair, and
is timed in alternation with the others, round after round. The ratios matter most, because the speed of a machine
drifts. A tool that takes longer than the limit for a workload is stopped, and its time is projected from the labels
that it has finished.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import log, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
from tools import METRICS, PEERS, TOOLS, environment
from workloads import DEFAULT_FOLDER, Pair, ensure, lesion_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from multiprocessing.connection import Connection

WORKLOADS = ("brats", "liver", "organs")
MORE_METRICS = ("nsd@1", "nsd@2", "masd", "hd@90", "iou", "sensitivity", "specificity", "precision", "mcc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A tool and the pairs that it is timed on."""

    tool: str
    pairs: list[Pair]
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Timing:
    """Seconds of a job's rounds, or the reason why there are none."""

    seconds: list[float] = field(default_factory=list)
    trouble: str = ""

    @property
    def best(self) -> float:
        return min(self.seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of the report; the first column is text, the others are aligned to the right."""

    title: str
    headings: list[str]
    rows: list[list[str]]
    note: str = ""


def serve(connection: Connection, memory_bytes: int) -> None:
    """Run jobs until the connection closes; send the fraction that is done, then the seconds or the error."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    while True:
        try:
            job: Job = connection.recv()
        except EOFError:
            return
        try:
            start = time.perf_counter()
            for number, pair in enumerate(job.pairs):
                for done, total in TOOLS[job.tool].run(pair.prediction, pair.reference, **job.settings):
                    connection.send(("done", (number + done / total) / len(job.pairs)))
            connection.send(("seconds", time.perf_counter() - start))
        except Exception as error:  # noqa: BLE001 - any error of a tool is its result
            connection.send(("failed", f"{type(error).__name__}: {error}"))


class Worker:
    """A process that runs one tool; if it is killed, a new process replaces it."""

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None

    def run(self, job: Job, limit: float) -> float | str:
        """Return the job's seconds, or why there are none."""
        connection = self._connection or self._start()
        connection.send(job)
        start = time.perf_counter()
        fraction = 0.0
        try:
            while connection.poll(max(0.0, start + limit - time.perf_counter())):
                kind, value = connection.recv()
                if kind == "done":
                    fraction = value
                    continue
                if kind == "seconds":
                    return float(value)
                print(f"{job.tool} failed: {value}", file=sys.stderr)
                return "failed"
        except EOFError:
            print(f"{job.tool} failed: its process died", file=sys.stderr)
            self.stop()
            return "failed"
        elapsed = time.perf_counter() - start
        self.stop()
        return f"over, projected {elapsed / fraction:.0f}" if fraction else f"over {limit:.0f}"

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        self._connection, far_end = context.Pipe()
        self._process = context.Process(target=serve, args=(far_end, self._memory_bytes), daemon=True)
        self._process.start()
        far_end.close()
        return self._connection

    def stop(self) -> None:
        if self._process and self._connection:
            self._process.kill()
            self._process.join()
            self._connection.close()
        self._process = self._connection = None


class Stopwatch:
    """Times jobs in alternation, each tool in its own worker."""

    def __init__(self, *, folder: Path, rounds: int, limit: float, memory_gib: float, stack: ExitStack) -> None:
        self._tiny = ensure(folder, "lesions")[:1]
        self.segeval_failed = False
        self._rounds = rounds
        self._limit = limit
        self._workers = {name: Worker(int(memory_gib * 2**30)) for name in TOOLS}
        for worker in self._workers.values():
            stack.callback(worker.stop)

    def time(self, title: str, jobs: dict[str, Job]) -> dict[str, Timing]:
        """Run the jobs round by round; a job stops after an error, or if another round would exceed the limit."""
        timings = {name: Timing() for name in jobs}
        for name, job in jobs.items():
            warm_up = Job(tool=job.tool, pairs=self._tiny, settings=job.settings)
            outcome = self._workers[job.tool].run(warm_up, self._limit)
            if isinstance(outcome, str):
                timings[name].trouble = outcome
                self.segeval_failed |= job.tool == "segeval"
        order = deque(jobs)
        for number in range(self._rounds):
            for name in list(order):
                timing = timings[name]
                spent = sum(timing.seconds)
                if timing.trouble or (timing.seconds and spent + timing.best > self._limit):
                    continue
                outcome = self._workers[jobs[name].tool].run(jobs[name], self._limit - spent)
                if isinstance(outcome, float):
                    timing.seconds.append(outcome)
                else:
                    timing.trouble = outcome
                    self.segeval_failed |= jobs[name].tool == "segeval"
                said = f"{outcome:.3f} s" if isinstance(outcome, float) else outcome
                print(f"{title}, round {number + 1}, {name}: {said}", file=sys.stderr, flush=True)
            order.rotate(-1)
        return timings


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The folder, workloads, peers and stopwatch of all sections."""

    folder: Path
    workloads: list[str]
    peers: list[str]
    stopwatch: Stopwatch

    def pair(self, name: str) -> Pair:
        family = name if name in ("liver_half", "liver_double") else name.partition("_")[0]
        return next(pair for pair in ensure(self.folder, family) if pair.name == name)


def seconds_of(timing: Timing) -> list[str]:
    return [f"{timing.best:.3f}", f"{timing.median:.3f}"] if timing.seconds else [timing.trouble, "-"]


def ratio(timing: Timing, base: Timing) -> str:
    return f"{timing.best / base.best:.2f}" if timing.seconds and base.seconds else "-"


def against_peers(bench: Bench) -> list[Table]:
    """Time Dice, HD, HD95 and mean surface distance of each label."""
    tables = []
    for workload in bench.workloads:
        pairs = [bench.pair(workload)]
        jobs = {name: Job(tool=name, pairs=pairs) for name in ("read", "read and compare")}
        jobs["segeval"] = Job(tool="segeval", pairs=pairs)
        jobs |= {peer: Job(tool=peer, pairs=pairs) for peer in bench.peers}
        timings = bench.stopwatch.time(workload, jobs)
        rows = [
            [name, *seconds_of(timing), ratio(timing, timings["read"]), ratio(timing, timings["segeval"])]
            for name, timing in timings.items()
        ]
        headings = ["tool", "best s", "median s", "x reading", "x segeval"]
        tables.append(Table(title=f"{workload}: {', '.join(METRICS)} of every label", headings=headings, rows=rows))
    return tables


def surfaces(bench: Bench) -> list[Table]:
    """Time the same metrics with each surface, and surface-distance, which uses surfels."""
    tables = []
    for workload in bench.workloads:
        pairs = [bench.pair(workload)]
        jobs = {
            f"segeval, {surface}": Job(tool="segeval", pairs=pairs, settings={"surface": surface})
            for surface in ("voxel", "surfel", "smooth")
        }
        jobs |= {peer: Job(tool=peer, pairs=pairs) for peer in bench.peers if peer == "surface-distance"}
        timings = bench.stopwatch.time(f"{workload}, surfaces", jobs)
        rows = [
            [name, *seconds_of(timing), ratio(timing, timings["segeval, voxel"])] for name, timing in timings.items()
        ]
        headings = ["surface", "best s", "median s", "x voxel"]
        tables.append(Table(title=f"{workload}, by surface", headings=headings, rows=rows))
    return tables


def overlap_only(bench: Bench) -> list[Table]:
    rows = []
    for workload in bench.workloads:
        pairs = [bench.pair(workload)]
        jobs = {
            "read": Job(tool="read", pairs=pairs),
            "read and compare": Job(tool="read and compare", pairs=pairs),
            "dice": Job(tool="segeval", pairs=pairs, settings={"metrics": ["dice"]}),
        }
        timings = bench.stopwatch.time(f"{workload}, overlap", jobs)
        dice = timings["dice"]
        rows.append(
            [workload, *seconds_of(dice), ratio(dice, timings["read"]), ratio(dice, timings["read and compare"])]
        )
    headings = ["workload", "best s", "median s", "x reading", "x reading and comparing"]
    return [Table(title="Overlap only (dice)", headings=headings, rows=rows)]


def hard_predictions(bench: Bench) -> list[Table]:
    rows = []
    for workload, variants in {"liver": ["displaced"], "organs": ["displaced", "shuffled"]}.items():
        if workload not in bench.workloads:
            continue
        names = [workload, *(f"{workload}_{variant}" for variant in variants)]
        jobs = {name: Job(tool="segeval", pairs=[bench.pair(name)]) for name in names}
        timings = bench.stopwatch.time("hard", jobs)
        rows += [[name, *seconds_of(timing), ratio(timing, timings[workload])] for name, timing in timings.items()]
    headings = ["prediction", "best s", "median s", "x ordinary"]
    return [Table(title="Displaced by 30 voxels, and labels shuffled", headings=headings, rows=rows)] if rows else []


def voxels_of(pair: Pair) -> int:
    image: Any = nibabel.load(pair.reference)
    return prod(image.shape)


def growth(bench: Bench) -> list[Table]:
    """Time a workload from half to twice its linear size, and fit the exponent of time in voxels."""
    pairs = {name: bench.pair(name) for name in ("liver_half", "liver", "liver_double")}
    voxels = {name: voxels_of(pair) for name, pair in pairs.items()}
    rows, slopes = [], []
    for tool in ("read", "segeval"):
        jobs = {name: Job(tool=tool, pairs=[pair]) for name, pair in pairs.items()}
        timings = bench.stopwatch.time("growth", jobs)
        rows += [
            [f"{tool}, {name}", f"{voxels[name] / 1e6:.1f}", *seconds_of(timing)] for name, timing in timings.items()
        ]
        if all(timing.seconds for timing in timings.values()):
            sizes, best = [log(voxels[name]) for name in pairs], [log(timings[name].best) for name in pairs]
            slopes.append(f"{tool} {statistics.linear_regression(sizes, best).slope:.2f}")
    headings = ["workload", "million voxels", "best s", "median s"]
    note = f"Exponent in voxels: {'; '.join(slopes)}."
    return [Table(title="Growth with size", headings=headings, rows=rows, note=note)]


def lesions(bench: Bench) -> list[Table]:
    pairs = lesion_pairs(bench.folder)
    tools = ["read", "segeval", *bench.peers]
    timings = bench.stopwatch.time("lesions", {tool: Job(tool=tool, pairs=pairs) for tool in tools})
    rows = []
    for tool, timing in timings.items():
        per_pair = f"{timing.best / len(pairs) * 1e3:.2f}" if timing.seconds else timing.trouble
        rows.append([tool, per_pair, ratio(timing, timings["segeval"])])
    title = f"{len(pairs)} lesion pairs of 60 x 60 x 25"
    return [Table(title=title, headings=["tool", "ms a pair", "x segeval"], rows=rows)]


def additions(bench: Bench) -> list[Table]:
    """Time more metrics and a region in addition to the usual four metrics."""
    variants: dict[str, dict[str, Any]] = {
        "usual": {},
        "and nsd@1": {"metrics": [*METRICS, "nsd@1"]},
        f"and {len(MORE_METRICS)} metrics": {"metrics": [*METRICS, *MORE_METRICS]},
        "and a region of all labels": {"regions": {"whole": "*"}},
    }
    rows = []
    for workload in bench.workloads:
        pairs = [bench.pair(workload)]
        jobs = {name: Job(tool="segeval", pairs=pairs, settings=settings) for name, settings in variants.items()}
        timings = bench.stopwatch.time(f"{workload}, additions", jobs)
        usual = timings["usual"]
        for name, timing in timings.items():
            known = timing.seconds and usual.seconds
            more = f"{100 * (timing.best / usual.best - 1):+.0f} %" if known else "-"
            rows.append([f"{workload}, {name}", *seconds_of(timing), more])
    return [Table(title="Additions to a run", headings=["run", "best s", "median s", "on top"], rows=rows)]


SECTIONS: dict[str, Callable[[Bench], list[Table]]] = {
    "peers": against_peers,
    "surfaces": surfaces,
    "overlap": overlap_only,
    "hard": hard_predictions,
    "growth": growth,
    "lesions": lesions,
    "additions": additions,
}


def render(table: Table, *, markdown: bool) -> str:
    rows = [table.headings, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.headings))]
    between, left, right = (" | ", "| ", " |") if markdown else ("  ", "", "")

    def line(cells: list[str]) -> str:
        padded = [
            cells[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)),
        ]
        return f"{left}{between.join(padded)}{right}".rstrip()

    rule = line(["-" * widths[0], *("-" * (width - 1) + (":" if markdown else "-") for width in widths[1:])])
    parts = [f"{'### ' if markdown else ''}{table.title}", "", line(table.headings), rule, *map(line, table.rows)]
    return "\n".join([*parts, *(["", table.note] if table.note else []), ""])


def names(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Return a parser of comma lists of known names, for argparse."""
    allowed = list(known)

    def parse(text: str) -> list[str]:
        chosen = [name for name in text.split(",") if name]
        if unknown := [name for name in chosen if name not in allowed]:
            message = f"unknown: {', '.join(unknown)}; use {', '.join(allowed)}"
            raise argparse.ArgumentTypeError(message)
        return chosen

    return parse


def main() -> None:
    parser = argparse.ArgumentParser(description="Time segeval against other tools, and against itself.")
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_FOLDER, help=f"folder of workloads, made if missing: {DEFAULT_FOLDER}"
    )
    parser.add_argument("--sections", type=names(SECTIONS), default=list(SECTIONS), help=",".join(SECTIONS))
    parser.add_argument("--workloads", type=names(WORKLOADS), default=list(WORKLOADS), help=",".join(WORKLOADS))
    parser.add_argument("--peers", type=names(PEERS), default=list(PEERS), help=f"{','.join(PEERS)}, or '' for none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=100, help="seconds for a tool and workload, all rounds (100)")
    parser.add_argument("--memory", type=float, default=16, help="GiB of address space for a tool (16)")
    parser.add_argument("--markdown", action="store_true", help="print Markdown, as in docs/performance.md")
    options = parser.parse_args()
    peers = [peer for peer in options.peers if TOOLS[peer].version]
    for absent in set(options.peers) - set(peers):
        print(f"{absent} is not installed: skipped", file=sys.stderr)
    with ExitStack() as stack:
        stopwatch = Stopwatch(
            folder=options.data, rounds=options.rounds, limit=options.limit, memory_gib=options.memory, stack=stack
        )
        bench = Bench(
            folder=options.data,
            workloads=options.workloads,
            peers=peers,
            stopwatch=stopwatch,
        )
        print(environment(["segeval", "read", *peers]), "\n", sep="")
        for section in options.sections:
            for table in SECTIONS[section](bench):
                print(render(table, markdown=options.markdown), flush=True)
    if stopwatch.segeval_failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
