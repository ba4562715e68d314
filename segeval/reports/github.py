"""What GitHub Actions shows of a run: a step's summary, and annotations.

Both have limits, and what goes beyond them is dropped without a word by GitHub; here, something says so. Texts from
outside are escaped, so that no name can start a workflow command of its own.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from segeval.errors import UsageError, shown
from segeval.reports.csv_files import reason
from segeval.reports.gate_table import found
from segeval.results.results import Results

SUMMARY_BYTES = 1024 * 1024 - 4096  # GitHub takes 1 MiB of each step
MOST_ANNOTATIONS = 10  # of a kind, in a step
ANNOTATION_CHARACTERS = 4096
NOTE_BYTES = 256  # at most, of what is said in place of lines that are left out


def in_actions(environment: Mapping[str, str]) -> bool:
    """Whether this runs in GitHub Actions."""
    return environment.get("GITHUB_ACTIONS") == "true"


def append_step_summary(environment: Mapping[str, str], markdown: str) -> None:
    """Add Markdown to the summary of the step, as much of it as GitHub takes.

    Parameters
    ----------
    environment
        Has the file under ``GITHUB_STEP_SUMMARY``.
    markdown
        See `step_summary`.

    Raises
    ------
    UsageError
        There is no such file, or it cannot be written.
    """
    path = environment.get("GITHUB_STEP_SUMMARY", "")
    if not path:
        raise UsageError("GITHUB_STEP_SUMMARY names no file", hint="GitHub Actions sets it for each step")
    try:
        already = Path(path).stat().st_size if Path(path).exists() else 0
        gap = "\n" if already else ""
        with Path(path).open("ab") as file:
            file.write(step_summary(gap + markdown, already=already).encode("utf-8", "backslashreplace"))
    except (OSError, ValueError) as error:
        cause = (error.strerror or str(error)).lower() if isinstance(error, OSError) else shown(error)
        raise UsageError(f"the step's summary cannot be written: {cause}", source=os.fspath(path)) from None


def step_summary(markdown: str, *, limit: int = SUMMARY_BYTES, already: int = 0) -> str:
    """As many lines of Markdown as fit into the summary of a step, and how many do not.

    Parameters
    ----------
    markdown
        The whole.
    limit
        How many bytes of UTF-8 a step's summary may have.
    already
        How many it has.

    Returns
    -------
    str
        The whole where it fits; nothing where there is no room for a word.
    """
    room = limit - already
    if _size(markdown) <= room:
        return markdown
    if room < NOTE_BYTES:
        return ""
    lines, size, folded, closing = markdown.splitlines(keepends=True), 0, 0, ""
    kept = 0
    for line in lines:
        folded += line.count("<details") - line.count("</details>")
        end = "</details>\n" * max(0, folded)
        if size + _size(line) + _size(end) + NOTE_BYTES > room:
            break
        size, kept, closing = size + _size(line), kept + 1, end
    left_out = _size("".join(lines[kept:]))
    note = (
        f"\n{closing}\n**{len(lines) - kept:,} more lines ({left_out:,} bytes) are left out: GitHub takes 1 MiB of a "
        "step. The result files of the run have the whole.**\n"
    )
    return "".join(lines[:kept]) + note


def _size(text: str) -> int:
    return len(text.encode("utf-8", "backslashreplace"))


def annotations(results: Results) -> list[str]:
    """Workflow commands that make annotations: an error for what was not met or not scored, a warning for the run's.

    Of each kind there are at most ten; the tenth stands for all further ones.

    Parameters
    ----------
    results
        Of any number of cases.

    Returns
    -------
    list of str
        Lines without ends: requirements, failed cases, missing ones, then warnings.
    """
    unmet, lost = [], []
    for verdict in results.gate:
        if not verdict.passed:
            worst = "" if verdict.worst_case is None else f", worst case {verdict.worst_case}"
            unmet.append(("requirement not met", f"{verdict.requirement}: found {found(verdict)}{worst}"))
    for status, title in (("failed", "case failed"), ("missing", "prediction missing")):
        lost += [
            (title, f"{record.case}: {reason(record)}" if reason(record) else record.case)
            for record in results.cases
            if record.status == status
        ]
    room = MOST_ANNOTATIONS - 1
    few = min(len(lost), max(room // 2, room - len(unmet)))  # neither kind crowds the other out
    errors = [*unmet[: room - few], *lost[:few], *unmet[room - few :], *lost[few:]]
    return _commands("error", errors) + _commands("warning", [("warning", text) for text in results.warnings])


def _commands(kind: str, messages: Iterable[tuple[str, str]]) -> list[str]:
    messages = list(messages)
    if len(messages) > MOST_ANNOTATIONS:
        rest = len(messages) - MOST_ANNOTATIONS + 1
        messages = [*messages[: MOST_ANNOTATIONS - 1], (f"more {kind}s", f"and {rest} more")]
    return [_command(kind, title, message) for title, message in messages]


def _command(kind: str, title: str, message: str) -> str:
    head = f"::{kind} title={_property(f'segeval: {title}')}::"
    text = _data(message)
    room = ANNOTATION_CHARACTERS - len(head)
    if len(text) > room:
        text = re.sub("%.?$", "", text[: room - 1]) + "…"  # never half of an escape
    return head + text


def _data(text: str) -> str:
    # the older form of a command counts wherever it stands in a line
    return shown(text).replace("##[", "# #[").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
