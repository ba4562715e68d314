"""Options from a file: `segeval.toml`, or `[tool.segeval]` in `pyproject.toml`.

The nearest one counts, from the current folder upwards. Keys are the command line's long names without the dashes;
what the command line says wins. A key that no command knows is an error, because a misspelt option that is dropped in
silence changes scores in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from segeval.errors import UsageError, shown

NOT_CONFIGURABLE = ("help", "version")
PATHS = ("labels", "output", "confusion")  # relative to the folder of the file that names them


def find_configuration(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The nearest configuration at or above a folder: the file, and its keys.

    Raises
    ------
    UsageError
        A file that is not TOML.
    """
    for place in (folder, *folder.parents):
        own = place / "segeval.toml"
        if own.is_file():
            return own, _read(own)
        shared = place / "pyproject.toml"
        if shared.is_file():
            tools = _read(shared).get("tool", {})
            if isinstance(tools, dict) and isinstance(tools.get("segeval"), dict):
                return shared, tools["segeval"]
    return None


def _read(path: Path) -> dict[str, Any]:
    import tomllib  # deferred: most folders have no such file

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"it is not TOML: {shown(error)}", source=str(path)) from None
    except OSError as error:
        raise UsageError(f"it cannot be read: {(error.strerror or str(error)).lower()}", source=str(path)) from None


def defaults_of(
    commands: Mapping[str, click.Command], keys: Mapping[str, Any], *, source: Path
) -> dict[str, dict[str, Any]]:
    """The default values that configured keys give to the parameters of each command.

    Parameters
    ----------
    commands
        Name -> command.
    keys
        As they stand in the file.
    source
        The file.

    Returns
    -------
    dict
        Command -> parameter -> value, as `click.Context.default_map` takes it.

    Raises
    ------
    UsageError
        A key that no command has, with near ones, or a value of the wrong kind; all of them at once.
    """
    import difflib

    wrong: list[str] = []
    known = {key for command in commands.values() for key in _options(command)}
    defaults: dict[str, dict[str, Any]] = {name: {} for name in commands}
    for written, value in keys.items():
        key = written.replace("_", "-")
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known), n=3, cutoff=0.55)
            wrong.append(
                f"no option is called {shown(written)!r}" + (f", did you mean {' or '.join(near)}?" if near else "")
            )
            continue
        for name, command in commands.items():
            option = _options(command).get(key)
            if option is None or option.name is None:
                continue
            try:
                defaults[name][option.name] = _value(option, key, value, folder=source.parent)
            except UsageError as error:
                if str(error) not in wrong:
                    wrong.append(str(error))
    if wrong:
        raise UsageError("; ".join(wrong), source=str(source))
    return defaults


def _options(command: click.Command) -> dict[str, click.Option]:
    """Long name without its dashes -> option."""
    return {
        text.removeprefix("--"): option
        for option in command.params
        if isinstance(option, click.Option)
        for text in option.opts
        if text.startswith("--") and text.removeprefix("--") not in NOT_CONFIGURABLE
    }


def _value(option: click.Option, key: str, value: object, *, folder: Path) -> Any:
    if option.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"{key} is true or false, found {shown(repr(value))}")
        return value
    entries = value if isinstance(value, list) else [value]
    if not option.multiple and isinstance(value, list):
        raise UsageError(f"{key} takes one value, found a list")
    texts = [_text(key, entry) for entry in entries]
    if key in PATHS:
        texts = [text if "=" in text else str(folder / text) for text in texts]
    return texts if option.multiple else texts[0]


def _text(key: str, entry: object) -> str:
    if isinstance(entry, bool) or not isinstance(entry, (str, int, float)):
        raise UsageError(f"{key} takes texts or numbers, found {shown(repr(entry))}")
    return str(entry)


def configure(context: click.Context, commands: Sequence[click.Command]) -> Path | None:
    """Give the commands of a group their configured defaults; returns the file, if there is one."""
    found = find_configuration(Path.cwd())
    if found is None:
        return None
    path, keys = found
    context.default_map = defaults_of({command.name or "": command for command in commands}, keys, source=path)
    return path
