"""Measure time and memory of the client of a run on a Dask cluster: ``python benchmarks/cluster.py``.

A scheduler and two workers of one thread are started on this machine. The workers do not score: they replay the rows of
a case with 20 labels and 7 metrics, and these rows go through all other steps of a run (a supervised process, Dask, the
journal, the summary and the files). Each number of cases is run in a separate process, which reads its memory and the
processor time of all its threads.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from functools import cache
from pathlib import Path

from tools import environment

HERE = Path(__file__).resolve().parent
LABELS, METRICS = 20, ("dice", "sensitivity", "specificity", "assd", "hd", "hd@95", "nsd@2")
PARTS = (".json", ".csv", ".jsonl", ".parquet")


@cache
def _rows(seed: int) -> tuple[list[list[float]], list[list[int]]]:
    import numpy as np

    random = np.random.default_rng(seed)
    return random.random((LABELS, len(METRICS))).tolist(), random.integers(1, 10_000, (LABELS, 4)).tolist()


def replay(case, **_: object):
    """Return what `segeval.running.run.attempt` returns for a case, without reading any file."""
    from segeval.results.rows import CaseRecord, LabelCounts, Score
    from segeval.scoring.case import Outcome

    values, voxels = _rows(hash(case.name) % 64)
    record = CaseRecord(
        case=case.name,
        status="scored",
        prediction=case.prediction,
        reference=case.reference,
        shape=(155, 240, 240),
        spacing=(1.0, 1.0, 1.0),
        unit="mm",
        voxels=155 * 240 * 240,
    )
    units = {"assd": "mm", "hd": "mm", "hd@95": "mm"}
    scores = tuple(
        Score(
            case=case.name,
            label=label,
            name=f"organ {label}",
            metric=metric,
            value=value,
            unit=units.get(metric),
            note=None,
        )
        for label, row in enumerate(values, start=1)
        for metric, value in zip(METRICS, row, strict=True)
    )
    counts = tuple(
        LabelCounts(case=case.name, label=label, tp=tp, fp=fp, fn=fn, tn=tn)
        for label, (tp, fp, fn, tn) in enumerate(voxels, start=1)
    )
    return Outcome(record=record, scores=scores, counts=counts, inputs=_inputs(case.prediction, case.reference))


@cache
def _inputs(*paths: str):
    from segeval.scoring.inputs import Input

    return tuple(
        Input(
            kind="file",
            path=path,
            size=Path(path).stat().st_size,
            modified_ns=Path(path).stat().st_mtime_ns,
            digest=hashlib.sha256(Path(path).read_bytes()).hexdigest(),
        )
        for path in paths
    )


def resident_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


class Peak:
    """Measure the peak memory of this process within a `with` block."""

    def __enter__(self) -> Peak:
        self.mib, self._over = resident_mib(), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.mib = max(self.mib, resident_mib())

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def client(number: int, scheduler_file: str | None, folder: Path) -> dict[str, float]:
    """Run once in this process, and return the measurements."""
    import cluster  # this file, under the name that workers import it by

    from segeval.reports.files import write_report
    from segeval.running import run as running
    from segeval.running.batch import executor_of
    from segeval.running.journal import Journal
    from segeval.running.settings import RunSettings
    from segeval.scoring.case import Case
    from segeval.scoring.cases import collect
    from segeval.scoring.plan import plan_of

    running.attempt = cluster.replay
    plan = plan_of(metrics=METRICS)
    files = [str(folder / name) for name in ("prediction", "reference")]  # all cases have the same two
    for file in files:
        Path(file).write_text(file)
    cases = [Case(name=f"case_{place:06}", prediction=files[0], reference=files[1]) for place in range(number)]
    found: dict[str, float] = {"cases": number}
    journal = Journal(folder / "r.journal", settings=plan.settings(), resume=False)
    where = {"jobs": 1} if scheduler_file is None else {"scheduler_file": scheduler_file}
    with executor_of(**where) as executor:
        first = resident_mib()
        wall, used = time.perf_counter(), time.process_time()
        with (
            Peak() as peak,
            closing(running.run(cases, plan, RunSettings(), executor=executor, journal=journal)) as outcomes,
        ):
            for each in outcomes:
                assert each.record.status == "scored", each.record.message
        wall, used = time.perf_counter() - wall, time.process_time() - used
    found |= {"wall_ms": 1000 * wall / number, "client_ms": 1000 * used / number, "in_flight_mib": peak.mib - first}
    found["journal_mib"] = (folder / "r.journal").stat().st_size / 2**20
    used = time.process_time()
    with Peak() as peak:
        taken = Journal(folder / "r.journal", settings=plan.settings(), resume=True)
        results = collect(taken.taken_over(cases), plan, order=[case.name for case in cases])
    assert len(results.scores) == number * LABELS * len(METRICS)
    found |= {"take_over_ms": 1000 * (time.process_time() - used) / number, "results_mib": peak.mib - first}
    used = time.process_time()
    with Peak() as peak:
        _ = results.summary
    found |= {"summary_s": time.process_time() - used, "summary_mib": peak.mib - first}
    for suffix in PARTS:
        path = folder / f"r{suffix}"
        used, before = time.process_time(), resident_mib()
        with Peak() as peak:
            write_report(results, path)
        found[f"{suffix[1:]}_s"] = time.process_time() - used
        found[f"{suffix[1:]}_mib"] = path.stat().st_size / 2**20
        found[f"{suffix[1:]}_memory_mib"] = peak.mib - before
        path.unlink()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Time a run on a Dask cluster, as its client sees it.")
    parser.add_argument("--cases", default="10000,30000,100000", help="numbers of cases (default: 10000,30000,100000)")
    parser.add_argument("--local", action="store_true", help="run in a local process instead, to compare")
    parser.add_argument("--client", nargs=2, metavar=("CASES", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        number, file = options.client
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(client(int(number), file if file != "-" else None, Path(folder))))
        return
    paths = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = os.environ | {"PYTHONPATH": paths, "PYTHONHASHSEED": "0"}
    print(environment(["segeval"]), "\n", sep="")
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "scheduler.json")
        dask = [sys.executable, "-m", "dask"]
        own = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", file]
        commands = [[*dask, "scheduler", "--port", "0", *own], *[[*dask, "worker", "--nthreads", "1", *own]] * 2]
        running = [
            subprocess.Popen(command, cwd=folder, env=variables, stderr=subprocess.DEVNULL)
            for command in ([] if options.local else commands)
        ]
        try:
            for number in options.cases.split(","):
                arguments = [sys.executable, __file__, "--client", number, "-" if options.local else file]
                done = subprocess.run(arguments, env=variables, check=True, stdout=subprocess.PIPE, text=True)
                found = json.loads(done.stdout)
                print(", ".join(f"{key} {value:,.4g}" for key, value in found.items()), flush=True)
        finally:
            for each in running:
                each.terminate()
                each.wait()


if __name__ == "__main__":
    main()
