"""Plain words: the glossary explains every column, status and note, and no text has a phrase that nobody would say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import get_args

import click
import pytest

from segeval.cli import segeval as cli
from segeval.results import rows, run_rows
from tests.places import TOP

GLOSSARY = TOP / "docs" / "glossary.md"
RECORDS = sorted(
    {
        each
        for module in (rows, run_rows)
        for each in vars(module).values()
        if isinstance(each, type) and is_dataclass(each)
    },
    key=lambda record: record.__name__,
)
VALUES = (
    *get_args(rows.Status),
    *get_args(run_rows.Aggregate),
    rows.PREDICTION_EMPTY,
    rows.REFERENCE_EMPTY,
    rows.ABSENT,
)
TERMS = (
    "prediction", "reference", "case", "label", "region", "metric", "score", "results", "run", "signature",
    "convention", "preset", "part", "journal", "requirement", "gate", "label map", "probability map", "grid",
    "spacing", "picture",
    "volume", "scan", "channel", "layer", "absent", "missed", "false alarm", "no prediction", "undefined",
)  # fmt: skip
LATER = ("mean_found",)  # columns that the glossary explains whether or not a record has them yet

# regular expressions, without regard to case; a space stands for any white space
BANNED = (
    # riddles
    r"that is none\b", r"what runs to\b", r"what runs upwards", r"says foreground from", r"foreground from there on",
    r"what makes a label the same", r"where exactly one of the two maps", r"has had no worker for so long",
    r"what it says of empty", r"says of empty masks", r"what stdout carries", r"where the scans are that",
    r"called like the case", r"told by the suffix", r"the suffix tells", r"and this ends in", r"the journal lies",
    r"this is no journal", r"labels, regions and their names are texts", r"(is|are) 1 or more, not",
    r"put results of parts?\b", r"of what stands above", r"what lies beyond is", r"pulls at most", r"of all the pull",
    r"where one is empty, a distance is", r"its levels are numbers",
    r"the blocks count the cases", r"where that has a plus", r"\bwhat \w+ holds\b",
    r"says what it is\b", r"says which it is\b", r"how hard each loss",
    # things that are told, and that stand or lie beside each other
    r"\b(is|are) told\b", r"\btold so\b", r"waits for it is",
    r"\b(stands?|lies?|lying|put) beside\b", r"\basked for by\b",
    r"\bstands? in it\b", r"\bwho finds one\b",
    # vague nouns
    r"\b(and|or) (its|their|his) (kin|like)\b", r"\band the like\b", r"\b(its|their) kin\b", r"\bof such\b",
    # old words
    r"\b(there|here|where)(in|of)\b", r"\bas it were\b", r"\bnought\b", r"\bfor so long\b",
    r"\bin vain\b", r"\bin its stead\b",
)  # fmt: skip
FORMER = (  # texts that were replaced
    "Clip and renormalise a probability map that is none.",
    "A probability map with one channel says foreground from there on.",
    "What makes a label the same in both maps.",
    "A distance where exactly one of the two maps has the label.",
    "Give up when the cluster has had no worker for so long.",
    "What runs to the right; its levels are numbers.",
    "What runs upwards; its levels are numbers.",
    "what it says of empty masks",
    "a line that says what it is",
    "What stdout carries.",
    "Where the scans are that an .html page draws its worst cases on; called like the cases.",
    "the kind of report is told by the suffix, and this ends in .txt",
    "--resume takes -o FILE: the journal lies beside it",
    "this is no journal of segeval, and would be overwritten",
    "labels, regions and their names are texts",
    "jobs are 1 or more, not 0",
    "Put results of PARTs of a run together.",
    "The blocks count the cases in ten steps of what stands above them; where that has a plus, "
    "what lies beyond is in the last step.",
    "how hard each loss pulls at most, and how much of all the pull falls on the foreground",
    "had no worker for so long",
    "who waits for it is told so",
)
PATTERN = re.compile("|".join(BANNED).replace(" ", r"\s+"), re.IGNORECASE)

PAGES = [*TOP.glob("*.md"), *TOP.glob("docs/**/*.md"), *TOP.glob("sample_data/*.md"), *TOP.glob("benchmarks/*.md")]
MODULES = [*sorted((TOP / "segeval").rglob("*.py")), *sorted((TOP / "docs").glob("*.py"))]


@cache
def entries() -> frozenset[str]:
    """The terms in the first column of the glossary's tables."""
    cells = re.findall(r"^\| ([^|]+) \|", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(term.strip("` ") for cell in cells for term in cell.split(", "))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record.__name__))
def test_the_glossary_explains_every_column(record: type) -> None:
    assert {field.name for field in fields(record)} - entries() == set()


def test_the_glossary_explains_statuses_aggregates_notes_and_terms() -> None:
    assert {*VALUES, *TERMS, *LATER} - entries() == set()


def found(text: str) -> Iterator[tuple[int, str]]:
    """Line and phrase of each banned phrase in a text."""
    for match in PATTERN.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, " ".join(match[0].split())


def refuse(hits: list[str]) -> None:
    """Fail with the places of banned phrases."""
    if hits:
        pytest.fail("\n".join(["say it plainly:", *hits]), pytrace=False)


def name_of(path: Path) -> str:
    return str(path.relative_to(TOP))


def prose(page: Path) -> str:
    """A page without code blocks, whose lines are kept; what a command prints is in the tests of the package."""
    return re.sub(r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), page.read_text("utf-8"), flags=re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_are_in_plain_words(page: Path) -> None:
    hits = [f"{name_of(page)}:{line}: {phrase}" for line, phrase in found(prose(page))]
    refuse(hits)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each string of a module: messages, help and docstrings."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_messages_and_docstrings_are_in_plain_words(module: Path) -> None:
    hits = [
        f"{name_of(module)}:{first + line - 1}: {phrase}"
        for first, text in texts(module)
        for line, phrase in found(text)
    ]
    refuse(hits)


def commands(command: click.Command, words: tuple[str, ...] = ("segeval",)) -> Iterator[tuple[str, click.Command]]:
    """A command and those below it, by their words."""
    yield " ".join(words), command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*words, name))


@pytest.mark.parametrize(
    ("words", "command"), list(commands(cli)), ids=lambda each: each if isinstance(each, str) else ""
)
def test_help_is_in_plain_words(words: str, command: click.Command) -> None:
    options = [getattr(each, "help", None) or "" for each in command.params]
    text = "\n".join([command.help or "", command.epilog or "", command.short_help or "", *options])
    hits = [f"{words} --help: {phrase}" for _, phrase in found(text)]
    refuse(hits)


@pytest.mark.parametrize("text", FORMER)
def test_former_texts_are_found(text: str) -> None:
    assert list(found(text))


def test_a_phrase_is_found_over_the_end_of_a_line() -> None:
    assert list(found("one\nwhat runs\nto the right")) == [(2, "what runs to")]


IDENTIFIER = re.compile(r"(^|_)(told|asked|asking|brought|kin|beside|therein)(_|$)|^of_it$")


def identifiers(path: Path) -> Iterator[tuple[int, str]]:
    """Line and name of each variable, function, class, parameter and attribute of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for kind, field in (
            (ast.Name, "id"),
            (ast.FunctionDef, "name"),
            (ast.ClassDef, "name"),
            (ast.Attribute, "attr"),
        ):
            if isinstance(node, kind):
                yield node.lineno, getattr(node, field)
        if isinstance(node, ast.arg):
            yield node.lineno, node.arg


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_names_in_code_are_plain(module: Path) -> None:
    refuse([f"{name_of(module)}:{line}: {name}" for line, name in identifiers(module) if IDENTIFIER.search(name)])
