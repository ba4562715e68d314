"""Output for GitHub Actions: the summary of a step, and annotations.

GitHub limits both and silently drops the rest; here a line says how much is left out. Texts from outside are escaped,
so that no name can start a workflow command of its own.
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
NOTE_BYTES = 256  # of the note about lines that are left out, at most


def in_actions(environment: Mapping[str, str]) -> bool:
    """Whether this runs in GitHub Actions."""
    return environment.get("GITHUB_ACTIONS") == "true"


def append_step_summary(environment: Mapping[str, str], markdown: str) -> None:
    """Append Markdown to the summary of the step, as much as GitHub takes.

    Parameters
    ----------
    environment
        Environment variables; ``GITHUB_STEP_SUMMARY`` is the path of the file.
    markdown
        See `step_summary`.

    Raises
    ------
    UsageError
        The variable is not set, or the file cannot be written.
    """
    path = environment.get("GITHUB_STEP_SUMMARY", "")
    if not path:
        raise UsageError("GITHUB_STEP_SUMMARY is not set", hint="run it in a step of GitHub Actions, which sets it")
    try:
        already = Path(path).stat().st_size if Path(path).exists() else 0
        gap = "\n" if already else ""
        with Path(path).open("ab") as file:
            file.write(step_summary(gap + markdown, already=already).encode("utf-8", "backslashreplace"))
    except (OSError, ValueError) as error:
        cause = (error.strerror or str(error)).lower() if isinstance(error, OSError) else shown(error)
        raise UsageError(f"cannot write the step summary: {cause}", source=os.fspath(path)) from None


def step_summary(markdown: str, *, limit: int = SUMMARY_BYTES, already: int = 0) -> str:
    """Return as many lines of Markdown as fit into the summary of a step, and a note on how many do not.

    Parameters
    ----------
    markdown
        The full text.
    limit
        How many bytes of UTF-8 the summary of a step may have.
    already
        How many it already has.

    Returns
    -------
    str
        The full text if it fits; an empty one if there is not even room for the note.
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
        "step. The results files of the run have everything.**\n"
    )
    return "".join(lines[:kept]) + note


def _size(text: str) -> int:
    return len(text.encode("utf-8", "backslashreplace"))


def annotations(results: Results) -> list[str]:
    """Return workflow commands that make annotations: errors for requirements and cases, warnings for the run.

    Of each kind there are at most ten; the tenth counts all further ones.

    Parameters
    ----------
    results
        Results of any number of cases.

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
    # the older form of a command is read anywhere in a line
    return shown(text).replace("##[", "# #[").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
