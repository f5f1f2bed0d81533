"""The instance that a command is about: options that change it, and how it is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli.frame import USAGE, Failure

if TYPE_CHECKING:
    from optimizer.instance import Instance
    from optimizer.variants import Variant

Source = Annotated[Path, typer.Argument(metavar="INSTANCE", help="Folder or workbook of the instance.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a figure first (=, *=, +=, -=). May be repeated."),
]
Scenarios = Annotated[
    list[str] | None,
    typer.Option("--scenario", metavar="NAME", help="Make the changes of a scenario, before --set. May be repeated."),
]
ScenarioFile = Annotated[
    Path | None,
    typer.Option("--scenarios", metavar="FILE", help="TOML file of --scenario; scenarios.toml of the instance."),
]

#: File of scenarios in the folder of an instance, or beside its workbook.
SCENARIOS = "scenarios.toml"


def read_case(
    path: Path, overrides: list[str] | None, scenarios: list[str] | None = None, file: Path | None = None
) -> Instance:
    """The instance with the changes that are asked for: scenarios in order, then ``--set``."""
    from optimizer.instance import read_instance
    from optimizer.overrides import apply_overrides

    found = read_instance(path)
    chosen = _chosen(path, scenarios or [], file)
    changes = {f"scenario {one.name}, --set {n}": text for one in chosen for n, text in enumerate(one.overrides, 1)}
    changes |= {f"--set {n}": text for n, text in enumerate(overrides or [], 1)}
    return apply_overrides(found, changes.values(), list(changes)) if changes else found


def _chosen(instance: Path, names: list[str], file: Path | None) -> list[Variant]:
    """Scenarios by name, from the file that is given or that of the instance."""
    from optimizer.variants import named_scenarios

    if file is not None or names:
        where = file or (instance if instance.is_dir() else instance.parent) / SCENARIOS
        if file is None and not where.exists():
            raise Failure(USAGE, "usage error", f"--scenario: there is no {where}; name the file with --scenarios FILE")
        return named_scenarios(where, names)
    return []
