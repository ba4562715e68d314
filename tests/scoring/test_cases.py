"""Two files of a case, read by one thread or two: which of them is the prediction, and which one an error names."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest

import segeval
from segeval.errors import InputError
from segeval.reading import probabilities
from segeval.scoring import cases
from segeval.scoring.cases import THREADED_BYTES, case_of_files, pair_of, score_case
from segeval.scoring.plan import Plan, plan_of
from tests.command import save

if TYPE_CHECKING:
    from collections.abc import Callable

Maps = tuple[np.ndarray, np.ndarray]

SHAPE = (50, 42, 37)
VOXELS = 50 * 42 * 37
COUNTS = (30, 70, 20, VOXELS - 120)  # tp, fp, fn, tn
PLANS = {soft: plan_of(metrics=["sensitivity,precision"], probabilities=soft) for soft in (False, True)}


@dataclass
class Meeting:
    """Readers of files, where the first two threads that read wait for each other."""

    paths: dict[int, list[str]] = field(default_factory=dict)  # thread -> what it read
    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(2, timeout=10))

    def joined(self, read: Callable[..., Any]) -> Callable[..., Any]:
        def reader(path: str, **options: Any) -> Any:
            here = threading.get_ident()
            if here not in self.paths:
                self.paths[here] = []
                self.barrier.wait()
            self.paths[here].append(path)
            return read(path, **options)

        return reader


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> Meeting:
    found = Meeting()
    for module, name in ((cases, "read_label_map"), (probabilities, "read_probabilities")):
        monkeypatch.setattr(module, name, found.joined(getattr(module, name)))
    return found


@pytest.fixture
def maps() -> Maps:
    """A prediction and a reference with 30 voxels in both, and 70 and 20 in one alone, scattered."""
    places = np.random.default_rng(5).permutation(VOXELS)
    prediction, reference = np.zeros(VOXELS, np.uint8), np.zeros(VOXELS, np.uint8)
    prediction[places[:100]] = 1
    reference[places[70:120]] = 1
    return prediction.reshape(SHAPE), reference.reshape(SHAPE)


def save_plain(path: Path, values: np.ndarray) -> None:
    nib.save(nib.Nifti1Image(values, np.eye(4)), path)  # type: ignore[no-untyped-call]


def written(folder: Path, maps: Maps, *, soft: bool) -> tuple[str, str]:
    """Plain files, large enough for two threads; of probabilities both, so that either could be taken for the other."""
    paths = (folder / "b.nii", folder / "a.nii")
    for path, labels in zip(paths, maps, strict=True):
        values = np.where(labels == 1, 0.75, 0.125).astype(np.float32) if soft else labels
        save_plain(path, values)
        assert path.stat().st_size > THREADED_BYTES
    return str(paths[0]), str(paths[1])


def assert_scored_as_told(files: tuple[str, str], plan: Plan, threads: int) -> None:
    outcome = score_case(case_of_files(*files), plan, threads=threads)
    assert [(each.tp, each.fp, each.fn, each.tn) for each in outcome.counts if each.label == 1] == [COUNTS]
    found = {score.metric: score.value for score in outcome.scores if score.label == 1}
    assert found == {"sensitivity": pytest.approx(0.6), "precision": pytest.approx(0.3)}


@pytest.mark.parametrize("soft", [False, True])
def test_one_thread_reads_the_prediction_as_the_prediction(tmp_path: Path, maps: Maps, soft: bool) -> None:
    assert_scored_as_told(written(tmp_path, maps, soft=soft), PLANS[soft], 1)


@pytest.mark.parametrize("soft", [False, True])
def test_two_threads_read_the_prediction_as_the_prediction(
    tmp_path: Path, maps: Maps, soft: bool, meeting: Meeting
) -> None:
    files = written(tmp_path, maps, soft=soft)
    assert_scored_as_told(files, PLANS[soft], 2)
    assert {frozenset(read) for read in meeting.paths.values()} == {frozenset({path}) for path in files}
    assert len(meeting.paths) == 2


def test_two_threads_keep_each_map_with_its_file(tmp_path: Path, maps: Maps) -> None:
    files = written(tmp_path, maps, soft=False)
    pair, _ = pair_of(case_of_files(*files), PLANS[False], threads=2)
    assert (pair.prediction.source, pair.reference.source) == files


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("damaged", [0, 1])
def test_an_error_of_two_threads_names_its_file(
    tmp_path: Path, maps: Maps, soft: bool, damaged: int, meeting: Meeting
) -> None:
    files = written(tmp_path, maps, soft=soft)
    with Path(files[damaged]).open("r+b") as file:
        file.truncate(THREADED_BYTES + 100)
    with pytest.raises(InputError, match="the file is cut short: the header needs") as caught:
        score_case(case_of_files(*files), PLANS[soft], threads=2)
    assert caught.value.source == files[damaged]
    assert len(meeting.paths) == 2


def test_small_files_are_read_by_one_thread(tmp_path: Path, maps: Maps, meeting: Meeting) -> None:
    meeting.barrier = threading.Barrier(1)
    small = (maps[0][:5], maps[1][:5])
    files = (tmp_path / "b.nii", tmp_path / "a.nii")
    for path, labels in zip(files, small, strict=True):
        save_plain(path, labels)
    score_case(case_of_files(str(files[0]), str(files[1])), PLANS[False], threads=2)
    assert meeting.paths == {threading.get_ident(): [str(path) for path in files]}


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_keeps_the_spacings_of_its_own_axes(tmp_path: Path, axis: int) -> None:
    labels = np.ones((4, 5), np.uint8)
    path = save(tmp_path / "slice.nii", np.expand_dims(labels, axis))
    results = segeval.score_files(path, path, metrics="dice", spacing=(2, 3, 5))
    assert results.cases[0].spacing == tuple(float(step) for place, step in enumerate((2, 3, 5)) if place != axis)
