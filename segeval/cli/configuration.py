"""Options from a file: `segeval.toml`, or `[tool.segeval]` in `pyproject.toml`.

The nearest file is used, from the current folder upwards. Keys are long option names without the dashes; the command
line overrides them. An unknown key or a value that no command accepts is an error: if segeval ignored a misspelt
option, scores would change without notice. If options of several commands have the same name but different values, a
value is used by the commands that accept it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from segeval.cli.help import Option
from segeval.errors import UsageError, shown

if TYPE_CHECKING:
    from pathlib import Path


def find_configuration(folder: str | os.PathLike[str]) -> tuple[Path, dict[str, Any]] | None:
    """Find the nearest configuration file at or above a folder, and read its keys.

    Raises
    ------
    UsageError
        The file is not TOML, or its `tool.segeval` is not a table.
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
    """Yield existing files that may be the configuration, nearest first, and whether only segeval uses them."""
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
        raise UsageError(f"tool.segeval must be a table of options, found {shown(repr(value))}", source=source)
    return value


def _read(path: str) -> dict[str, Any]:
    import tomllib  # deferred: most folders have no such file

    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            return tomllib.loads(file.read())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"not a TOML file: {shown(error)}", source=path) from None
    except OSError as error:
        raise UsageError(f"cannot read the file: {(error.strerror or str(error)).lower()}", source=path) from None


def defaults_of(
    commands: Mapping[str, click.Command], keys: Mapping[str, Any], *, source: Path
) -> dict[str, dict[str, Any]]:
    """Return default values for the parameters of each command.

    Parameters
    ----------
    commands
        Commands by name; a command of a group by both names, ``"plot heatmap"``.
    keys
        Keys and values in the file.
    source
        The file.

    Returns
    -------
    dict
        Values by command and parameter.

    Raises
    ------
    UsageError
        No command has such an option (the message suggests similar ones), or none accepts its value. The message
        lists all such keys.
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
    """Return the options that are passed to the command, by long name without dashes."""
    return {
        key: option
        for option in command.params
        if isinstance(option, click.Option) and option.expose_value
        for key in (text.removeprefix("--") for text in option.opts if text.startswith("--"))
    }


def _is_configurable(option: click.Option) -> bool:
    return not isinstance(option, Option) or option.configurable


def _unknown(written: str, known: Collection[str], never: Collection[str]) -> str:
    """Return the message for a key that cannot be set in a file."""
    import difflib

    key = written.replace("_", "-")
    if key in never:
        return f"{key} can only be given on the command line"
    near = difflib.get_close_matches(key, sorted(known), n=3, cutoff=0.55)
    return f"no option is named {shown(written)!r}" + (f", did you mean {' or '.join(near)}?" if near else "")


def _accepted(
    options: Mapping[str, click.Option], key: str, value: object, *, folder: Path
) -> dict[str, dict[str, Any]]:
    """Return the value by command and parameter, for commands that accept it; raise the first error if none does."""
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
            raise UsageError(f"{key} must be true or false, found {shown(repr(value))}")
        return value
    if not option.multiple and isinstance(value, list):
        raise UsageError(f"{key} must be a single value, found a list")
    entries = value if isinstance(value, list) else [value]
    values = [_converted(option, key, _text(key, entry), folder=folder) for entry in entries]
    return values if option.multiple else values[0]


def _converted(option: click.Option, key: str, text: str, *, folder: Path) -> Any:
    """Convert a text to the value of an option; paths are relative to the folder."""
    if isinstance(option, Option) and option.path is not None:
        if not text.strip():
            raise UsageError(f"{key} must not be blank, found {shown(repr(text))}")
        text = option.path(text, folder)
    try:
        return option.type.convert(text, option, None)
    except click.BadParameter as error:
        raise UsageError(f"{key}: {shown(error.message.removesuffix('.'))}") from None


def _text(key: str, entry: object) -> str:
    if isinstance(entry, bool) or not isinstance(entry, (str, int, float)):
        raise UsageError(f"{key} must be a string or a number, found {shown(repr(entry))}")
    return str(entry)


def configure(context: click.Context, commands: Iterable[click.Command]) -> Path | None:
    """Set the defaults of commands from the configuration file, and return the file, if there is one."""
    found = find_configuration(os.getcwd())  # noqa: PTH109
    if found is None:
        return None
    path, keys = found
    context.default_map = _nested(defaults_of(by_name(commands), keys, source=path))
    return path


def by_name(commands: Iterable[click.Command], group: str = "") -> dict[str, click.Command]:
    """Return commands by name, and commands of groups by both names."""
    found: dict[str, click.Command] = {}
    for command in commands:
        name = f"{group} {command.name}".strip()
        found |= by_name(command.commands.values(), name) if isinstance(command, click.Group) else {name: command}
    return found


def _nested(defaults: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return defaults in the form of `click.Context.default_map`: nested by group."""
    nested: dict[str, dict[str, Any]] = {}
    for name, values in defaults.items():
        place = nested
        for part in name.split():
            place = place.setdefault(part, {})
        place |= values
    return nested
