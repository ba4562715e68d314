"""What a first user sees, to the letter, run from the top of the project.

``SEGEVAL_UPDATE_GOLDEN=1 pytest tests/cli/test_golden.py`` writes the texts anew; they are read in the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.command import call
from tests.places import TOP

GOLDEN = Path(__file__).parent / "golden"
CASE = "sample_data/predictions/case_{0}.nii.gz sample_data/references/case_{0}.nii.gz"
STREET = "sample_data/street/prediction.png sample_data/street/reference.png"
SESSIONS = {
    "score": f"score {CASE.format('04')}",
    "score_false_alarm": f"score {CASE.format('05')}",
    "score_empty": f"score {CASE.format('13')}",
    "score_street": f"score {STREET} --labels sample_data/street/labels.json --ignore-label 255 -m dice,iou,nsd@2",
    "score_gate": f"score {CASE.format('04')} -m dice,hd@95 --require macro:dice=0.7 --require hd@95=10 -f csv",
    "score_other_grid": "score sample_data/predictions/case_12.nii.gz sample_data/references/case_01.nii.gz",
    "inspect": "inspect sample_data/references/case_01.nii.gz sample_data/street/reference.png",
    "metrics_nsd": "metrics nsd",
}


@pytest.mark.parametrize("name", SESSIONS)
def test_session_is_the_golden_text(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(TOP)
    answer = call(capsys, *SESSIONS[name].split())
    parts = [f"$ segeval {SESSIONS[name]}\n", answer.out]
    parts += [f"-- stderr\n{answer.err}"] if answer.err else []
    found = "".join([*parts, f"-- exit code {answer.code}\n"])
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("SEGEVAL_UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_bytes(found.encode())
    assert found == golden.read_bytes().decode()
