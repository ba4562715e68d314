"""A contract for import-linter: each third-party package is imported in its homes only, and has a home."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

from importlinter import Contract, ContractCheck, fields, output

if TYPE_CHECKING:
    from grimp import ImportGraph


class HomesContract(Contract):
    """Third-party packages and the modules that may import them.

    Parameters
    ----------
    homes
        Lines of ``"package: module, module"``: modules of the root package, each with everything in it.
    """

    type_name = "homes"

    homes = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002  (import-linter gives both)
        """Find imports outside the homes, packages without a home, and homes that nobody needs."""
        root = self.session_options["root_packages"][0]
        homes: dict[str, list[str]] = {}
        for line in cast("list[str]", self.homes):
            package, _, places = line.partition(":")
            homes[package.strip()] = [_absolute(place.strip(), root) for place in places.split(",")]
        wrong, used = [], set()
        for package in sorted(graph.modules):
            if package.partition(".")[0] == root or package in {*sys.stdlib_module_names, "_typeshed"}:
                continue
            for importer in sorted(graph.find_modules_that_directly_import(package)):
                home = next((each for each in homes.get(package, []) if f"{importer}.".startswith(f"{each}.")), None)
                used.add((package, home))
                if home is None:
                    wrong.append(f"{importer} imports {package}, whose homes are {homes.get(package, 'not listed')}")
        listed = {(package, home) for package, places in homes.items() for home in places}
        wrong += [f"{home} is a home of {package}, and does not import it" for package, home in sorted(listed - used)]
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print what is wrong, a line each."""
        for line in check.metadata["wrong"]:
            output.print_error(line)


def _absolute(place: str, root: str) -> str:
    return place if place == root else f"{root}.{place}"
