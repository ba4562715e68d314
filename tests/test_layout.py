"""How the package is laid out: layers, homes of third-party packages, sizes; and what the fast lane covers."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import plain_environment
from tests.places import TOP

PACKAGE = TOP / "segeval"
LINT = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"]
MOST_LINES_OF_A_MODULE = 450
MOST_LINES_OF_A_FUNCTION = 60


def rooms(folder: Path) -> set[str]:
    """The packages in a folder."""
    return {path.parent.name for path in folder.glob("*/__init__.py")}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what import-linter reads."""
    shutil.copytree(PACKAGE, tmp_path / "segeval", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests").mkdir()
    for name in ("pyproject.toml", "tests/__init__.py", "tests/homes.py"):
        shutil.copyfile(TOP / name, tmp_path / name)
    return tmp_path


def linted(project: Path) -> tuple[int, str]:
    """Exit code and output of import-linter."""
    environment = plain_environment() | {"PYTHONPATH": str(project), "COLUMNS": "200"}
    done = subprocess.run(LINT, cwd=project, env=environment, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    return done.returncode, done.stdout + done.stderr


def test_the_package_keeps_its_contracts(project: Path) -> None:
    code, said = linted(project)
    assert (code, " 0 broken." in said) == (0, True), said


def test_what_breaks_a_contract_is_named(project: Path) -> None:
    """A module and a room that stand on no layer, an import upwards, and packages away from home or without one."""
    (project / "segeval" / "stray_room").mkdir()
    for name, line in {
        "stray.py": "",
        "stray_room/__init__.py": "",
        "stray_room/x.py": "",
        "maps/x.py": "import pandas",
        "maps/y.py": "import requests",
        "maps/z.py": "import segeval.scoring.plan",
        "reading/x.py": "import segeval",
    }.items():
        (project / "segeval" / name).write_text(line, "utf-8")
    code, said = linted(project)
    assert code == 1
    for complaint in (
        "- segeval.stray\n",
        "- segeval.stray_room\n",
        "segeval.maps is not allowed to import segeval.scoring",
        "segeval.reading.x is not allowed to import segeval:",
        "segeval.maps.x imports pandas, whose homes are ['segeval.results.results']",
        "segeval.maps.y imports requests, whose homes are not listed",
    ):
        assert complaint in said, (complaint, said)


def test_modules_and_functions_are_short() -> None:
    long = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name, text = path.relative_to(TOP), path.read_text("utf-8")
        if (lines := text.count("\n")) > MOST_LINES_OF_A_MODULE:
            long.append(f"{name}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MOST_LINES_OF_A_FUNCTION:
                    long.append(f"{name}:{node.lineno}: {node.name} has {lines} lines")
    assert not long, "\n".join(long)


def test_every_room_has_tests_in_the_fast_lane(request: pytest.FixtureRequest) -> None:
    config, items = request.config, request.session.items
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS or config.option.keyword:
        pytest.skip("only a part of the tests was collected")
    fast = {item.path.parent for item in items if not item.get_closest_marker("slow")}
    assert rooms(PACKAGE) <= {folder.name for folder in fast if folder.parent == TOP / "tests"}
