"""Time a folder of small cases: ``python benchmarks/batch.py``.

Whole processes over the same files are run in alternation: `segeval batch` with one worker and with two, a plain loop
over `segeval.score_files`, a plain loop around MedPy, and nnU-Net's own evaluation (overlap only) if an interpreter
that has it is given. Then the script measures the memory of segeval's parent process for a quarter of the cases and
for all cases, and times the summary of 10,000 cases with 104 labels and 7 metrics. It imports nothing heavy before its
child processes have run.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tools import TOOLS, environment

HERE = Path(__file__).resolve().parent
DEFAULT_FOLDER = Path(tempfile.gettempdir()) / "segeval-benchmarks"
METRICS = "dice,hd,hd@95,assd"
LABELS, CASES, SUMMARY_METRICS = 104, 10_000, ("dice", "sensitivity", "specificity", "assd", "hd", "hd@95", "nsd@2")

LOOP = f"""
import sys
from pathlib import Path
import segeval
for reference in sorted(Path(sys.argv[2]).iterdir()):
    segeval.score_files(Path(sys.argv[1]) / reference.name, reference, metrics={METRICS!r})
"""
NNUNET = """
import sys
from nnunetv2.evaluation.evaluate_predictions import compute_metrics_on_folder_simple
if __name__ == "__main__":
    compute_metrics_on_folder_simple(sys.argv[2], sys.argv[1], [1], sys.argv[3], num_processes=int(sys.argv[4]))
"""


@dataclass(slots=True, kw_only=True)
class Command:
    """A command line, its number of cases, and the times of its runs so far."""

    name: str
    arguments: list[str]
    cases: int
    seconds: list[float] = field(default_factory=list)


def make(folder: Path, number: int) -> tuple[Path, Path]:
    """Make folders of predictions and references: copies of the hundred lesions under the requested number of names."""
    subprocess.run([sys.executable, HERE / "workloads.py", folder, "--only", "lesions"], check=True, stdout=sys.stderr)
    sources = sorted((folder / "lesions").glob("*_pred.nii.gz"))
    predictions, references = folder / f"batch_{number}" / "predictions", folder / f"batch_{number}" / "references"
    for side in (predictions, references):
        side.mkdir(parents=True, exist_ok=True)
    for place in range(number):
        source = sources[place % len(sources)]
        for side, path in ((predictions, source), (references, source.with_name(source.name.replace("pred", "ref")))):
            target = side / f"case_{place:05}.nii.gz"
            if not target.exists():
                shutil.copyfile(path, target)
    return predictions, references


def segeval(folders: tuple[Path, Path], jobs: int, output: Path) -> list[str]:
    command = [sys.executable, "-m", "segeval", "batch", *map(str, folders), "-m", METRICS, "-j", str(jobs), "-q"]
    return [*command, "-o", str(output / "results.json"), "-o", str(output / "results.csv")]


def timed(command: Command) -> None:
    start = time.perf_counter()
    subprocess.run(command.arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    command.seconds.append(time.perf_counter() - start)


def peak_of_parent_mib(arguments: list[str]) -> float:
    """Return the peak memory of the process without its workers; it is read while the process runs."""
    peak = 0.0
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
            peak = max([peak, *(int(line.split()[1]) / 1024 for line in lines)])
            time.sleep(0.005)
    return peak


def summary_seconds() -> tuple[float, float]:
    """Return the seconds for the summary of 10,000 cases x 104 labels x 7 metrics, and for gathering the rows."""
    from dataclasses import replace

    import numpy as np

    from segeval.results.columns import CaseCounts, Scores
    from segeval.results.rows import CaseRecord, LabelCounts, Score
    from segeval.scoring.cases import collect
    from segeval.scoring.plan import plan_of

    random = np.random.default_rng(0)
    names = [f"case_{place:05}" for place in range(CASES)]
    start = time.perf_counter()
    scores, counts = Scores(), CaseCounts()
    for name in names:
        values = random.random((LABELS, len(SUMMARY_METRICS))).tolist()
        scores.extend(
            Score(case=name, label=label, name=None, metric=metric, value=value, unit=None, note=None)
            for label, row in enumerate(values, start=1)
            for metric, value in zip(SUMMARY_METRICS, row, strict=True)
        )
        voxels = random.integers(1, 10_000, (LABELS, 4)).tolist()
        counts.extend(
            LabelCounts(case=name, label=label, tp=tp, fp=fp, fn=fn, tn=tn)
            for label, (tp, fp, fn, tn) in enumerate(voxels, start=1)
        )
    cases = tuple(
        CaseRecord(case=name, status="scored", prediction=name, reference=name, unit="mm", voxels=10**6)
        for name in names
    )
    empty = collect([], plan_of(metrics=SUMMARY_METRICS))
    gathered = time.perf_counter() - start
    results = replace(empty, cases=cases, scores=scores, counts=counts)
    start = time.perf_counter()
    _ = results.summary
    return time.perf_counter() - start, gathered


def main() -> None:
    parser = argparse.ArgumentParser(description="Time a folder of small cases.")
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_FOLDER, help=f"folder for the files (default: {DEFAULT_FOLDER})"
    )
    parser.add_argument("--cases", type=int, default=2000, help="number of cases (default: 2000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, except of MedPy and nnU-Net (default: 3)")
    parser.add_argument("--nnunet", type=Path, help="a Python interpreter that has nnunetv2")
    options = parser.parse_args()
    folders, few = make(options.data, options.cases), make(options.data, options.cases // 4)
    output = options.data / "batch_output"
    output.mkdir(exist_ok=True)
    loop = [sys.executable, "-c", LOOP, *map(str, folders)]
    turns = [
        Command(name="segeval batch -j 1", arguments=segeval(folders, 1, output), cases=options.cases),
        Command(name="segeval batch -j 2", arguments=segeval(folders, 2, output), cases=options.cases),
        Command(name="a loop over segeval.score_files", arguments=loop, cases=options.cases),
    ]
    once: list[Command] = []
    if TOOLS["MedPy"].version:
        pairs = [str(folder / path.name) for path in sorted(few[1].iterdir()) for folder in few]
        medpy = [sys.executable, str(HERE / "tools.py"), "MedPy", *pairs]
        once.append(Command(name="a loop around MedPy", arguments=medpy, cases=options.cases // 4))
    if options.nnunet:
        script = output / "nnunet_evaluation.py"  # its workers import the main module, so it must be a file
        script.write_text(NNUNET)
        for jobs in (1, 2):
            arguments = [str(options.nnunet), str(script), *map(str, folders), str(output / "nnunet.json"), str(jobs)]
            name = f"nnU-Net, overlap only, {jobs} processes"
            once.append(Command(name=name, arguments=arguments, cases=options.cases))
    print(environment([name for name in ("segeval", "MedPy") if TOOLS[name].version]), "\n", sep="")
    for number in range(options.rounds):
        for command in turns[number % 3 :] + turns[: number % 3]:
            timed(command)
    for command in once:
        timed(command)
    one, two, plain = (min(command.seconds) for command in turns)
    for command in (*turns, *once):
        best, median = min(command.seconds), statistics.median(command.seconds)
        rates = f"{command.cases / best:7.0f} cases/s  {1000 * best / command.cases:6.2f} ms each"
        print(f"{command.name:40}  {best:7.2f} s  {median:7.2f} s  {rates}")
    print(f"\n-j 2 against -j 1: {one / two:.2f} x")
    print(f"-j 1 beyond the loop: {1000 * (one - plain) / options.cases:+.2f} ms a case")
    peaks = [peak_of_parent_mib(segeval(each, 2, output)) for each in (few, folders)]
    print(f"parent's peak: {peaks[0]:.0f} MiB for {options.cases // 4} cases, {peaks[1]:.0f} MiB for {options.cases}")
    seconds, gathered = summary_seconds()
    size = f"{CASES:,} x {LABELS} x {len(SUMMARY_METRICS)}"
    print(f"summary of {size}: {seconds:.1f} s (gathering the rows {gathered:.1f} s)")


if __name__ == "__main__":
    main()
