"""Options from a file: `segeval.toml`, or `[tool.segeval]` in `pyproject.toml`.

The nearest one counts, from the current folder upwards. Keys are the command line's long names without the dashes;
what the command line says wins. A key that no command knows, or a value that none takes, is an error, because a
misspelt option that is dropped in silence changes scores in silence. Where commands have options of one name that take
different values, a value is for those that take it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from segeval.cli.options import Option
from segeval.errors import UsageError, shown

if TYPE_CHECKING:
    from pathlib import Path


def find_configuration(folder: str | os.PathLike[str]) -> tuple[Path, dict[str, Any]] | None:
    """The nearest configuration at or above a folder: the file, and its keys.

    Raises
    ------
    UsageError
        A file that is not TOML, or whose `tool.segeval` is no table.
    """
    for path, is_own in _candidates(os.fspath(folder)):
        keys = _read(path)
        if not is_own:
            tools = keys.get("tool", {})
            if not isinstance(tools, dict) or "segeval" not in tools:
                continue
            keys = _table(tools["segeval"], source=path)
        from pathlib import Path  # deferred: most runs have no such file

        return Path(path), keys
    return None


def _candidates(folder: str) -> Iterator[tuple[str, bool]]:
    """Files that may be the configuration, the nearest first, and whether they are of segeval alone."""
    while True:
        for name in ("segeval.toml", "pyproject.toml"):
            path = os.path.join(folder, name)  # noqa: PTH118 - pathlib takes as long to load as all of this
            if os.path.isfile(path):  # noqa: PTH113
                yield path, name == "segeval.toml"
        above = os.path.dirname(folder)  # noqa: PTH120
        if above == folder:
            return
        folder = above


def _table(value: object, *, source: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"tool.segeval is a table of options, found {shown(repr(value))}", source=source)
    return value


def _read(path: str) -> dict[str, Any]:
    import tomllib  # deferred: most folders have no such file

    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            return tomllib.loads(file.read())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"it is not TOML: {shown(error)}", source=path) from None
    except OSError as error:
        raise UsageError(f"it cannot be read: {(error.strerror or str(error)).lower()}", source=path) from None


def defaults_of(
    commands: Mapping[str, click.Command], keys: Mapping[str, Any], *, source: Path
) -> dict[str, dict[str, Any]]:
    """The default values that configured keys give to the parameters of each command.

    Parameters
    ----------
    commands
        Name -> command; a command of a group by both names, ``"plot heatmap"``.
    keys
        As they stand in the file.
    source
        The file.

    Returns
    -------
    dict
        Command -> parameter -> value.

    Raises
    ------
    UsageError
        A key that no command has, with near ones, or a value that no command takes; all of them at once.
    """
    wrong: list[str] = []
    options = {name: _options(command) for name, command in commands.items()}
    never = {key for known in options.values() for key, option in known.items() if not _is_configurable(option)}
    options = {
        name: {key: option for key, option in known.items() if _is_configurable(option)}
        for name, known in options.items()
    }
    defaults: dict[str, dict[str, Any]] = {name: {} for name in commands}
    for written, value in keys.items():
        key = written.replace("_", "-")
        having = {name: known[key] for name, known in options.items() if key in known}
        if not having:
            wrong.append(_unknown(written, {each for known in options.values() for each in known}, never))
            continue
        try:
            for name, default in _accepted(having, key, value, folder=source.parent).items():
                defaults[name] |= default
        except UsageError as error:
            wrong.append(str(error))
    if wrong:
        raise UsageError("; ".join(wrong), source=str(source))
    return defaults


def _options(command: click.Command) -> dict[str, click.Option]:
    """Long name without its dashes -> option, of those that are passed to the command."""
    return {
        key: option
        for option in command.params
        if isinstance(option, click.Option) and option.expose_value
        for key in (text.removeprefix("--") for text in option.opts if text.startswith("--"))
    }


def _is_configurable(option: click.Option) -> bool:
    return not isinstance(option, Option) or option.configurable


def _unknown(written: str, known: Collection[str], never: Collection[str]) -> str:
    """What is wrong with a key that no command takes from a file."""
    import difflib

    key = written.replace("_", "-")
    if key in never:
        return f"{key} stands on the command line only"
    near = difflib.get_close_matches(key, sorted(known), n=3, cutoff=0.55)
    return f"no option is called {shown(written)!r}" + (f", did you mean {' or '.join(near)}?" if near else "")


def _accepted(
    options: Mapping[str, click.Option], key: str, value: object, *, folder: Path
) -> dict[str, dict[str, Any]]:
    """Command -> parameter -> value, for the commands that take the value; if none does, what the first one says."""
    accepted: dict[str, dict[str, Any]] = {}
    refusals: list[UsageError] = []
    for name, option in options.items():
        try:
            accepted[name] = {option.name or key: _value(option, key, value, folder=folder)}
        except UsageError as error:
            refusals.append(error)
    if not accepted:
        raise refusals[0]
    return accepted


def _value(option: click.Option, key: str, value: object, *, folder: Path) -> Any:
    if option.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"{key} is true or false, found {shown(repr(value))}")
        return value
    if not option.multiple and isinstance(value, list):
        raise UsageError(f"{key} takes one value, found a list")
    entries = value if isinstance(value, list) else [value]
    values = [_converted(option, key, _text(key, entry), folder=folder) for entry in entries]
    return values if option.multiple else values[0]


def _converted(option: click.Option, key: str, text: str, *, folder: Path) -> Any:
    """The value that the option makes of a text; a path is relative to the folder."""
    if isinstance(option, Option) and option.path is not None:
        if not text.strip():
            raise UsageError(f"{key} takes a text that is not blank, found {shown(repr(text))}")
        text = option.path(text, folder)
    try:
        return option.type.convert(text, option, None)
    except click.BadParameter as error:
        raise UsageError(f"{key}: {shown(error.message.removesuffix('.'))}") from None


def _text(key: str, entry: object) -> str:
    if isinstance(entry, bool) or not isinstance(entry, (str, int, float)):
        raise UsageError(f"{key} takes texts or numbers, found {shown(repr(entry))}")
    return str(entry)


def configure(context: click.Context, commands: Iterable[click.Command]) -> Path | None:
    """Give the commands of a group their configured defaults; returns the file, if there is one."""
    found = find_configuration(os.getcwd())  # noqa: PTH109
    if found is None:
        return None
    path, keys = found
    context.default_map = _nested(defaults_of(by_name(commands), keys, source=path))
    return path


def by_name(commands: Iterable[click.Command], group: str = "") -> dict[str, click.Command]:
    """Commands by name, and those of groups by both names."""
    found: dict[str, click.Command] = {}
    for command in commands:
        name = f"{group} {command.name}".strip()
        found |= by_name(command.commands.values(), name) if isinstance(command, click.Group) else {name: command}
    return found


def _nested(defaults: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same as `click.Context.default_map` takes it: those of a group's commands within the group's."""
    nested: dict[str, dict[str, Any]] = {}
    for name, values in defaults.items():
        place = nested
        for part in name.split():
            place = place.setdefault(part, {})
        place |= values
    return nested
