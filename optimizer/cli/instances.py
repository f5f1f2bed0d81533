"""Commands about instances and the model behind them: init, template, validate, formulation, schema."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer

from optimizer.cli.cases import Overrides, ScenarioFile, Scenarios, Source, read_case
from optimizer.cli.frame import USAGE, Failure, app, command, write_whole
from optimizer.cli.output import print_json, print_text
from optimizer.problems import MissingPackageError


@app.command()
@command
def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")]) -> None:
    """Make a small instance to start from."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Failure(USAGE, "usage error", f"{folder} exists and is not an empty folder: choose another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(starter().iterdir()):
            shutil.copyfile(file, folder / file.name)
    except OSError as error:
        raise Failure(USAGE, "usage error", f"{folder} cannot be written: {error.strerror}") from None
    print_text(f"{folder} is ready. Next: optimizer validate {folder}, then optimizer solve {folder}")


def starter() -> Path:
    """Folder of the instance that ``init`` copies: inside the package when installed, else in the checkout."""
    packaged = Path(__file__).parents[1] / "starter"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "instances" / "one-site"


@app.command()
@command
def template(
    file: Annotated[Path, typer.Argument(metavar="FILE.xlsx", help="Workbook to write.")],
    source: Annotated[
        Path | None, typer.Option("--from", metavar="INSTANCE", help="Fill it with this instance; else it is empty.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE.")] = False,
) -> None:
    """Write a workbook to fill in: a sheet per table, with units, notes and drop-downs."""
    from optimizer.instance import read_instance

    if file.suffix.lower() != ".xlsx":
        raise Failure(USAGE, "usage error", f"{file} must end with .xlsx")
    if file.exists() and not (overwrite and file.is_file()):
        raise Failure(USAGE, "usage error", f"{file} exists: choose another, or replace it with --overwrite")
    try:
        from optimizer.template import write_template
    except ModuleNotFoundError as error:
        raise MissingPackageError.of(error, "writing a workbook", "workbook") from None
    instance = None if source is None else read_instance(source)
    write_whole(file, lambda draft: write_template(draft, instance), "another file")
    print_text(f"{file} is ready. Next: fill it in, then optimizer validate {file}")


@app.command()
@command
def validate(
    instance: Source,
    overrides: Overrides = None,
    scenario: Scenarios = None,
    scenarios: ScenarioFile = None,
) -> None:
    """Read an instance and list everything that is wrong with it."""
    found = read_case(instance, overrides, scenario, scenarios)
    manifest = found.manifest
    names = [name for name in ("sites", "utilities", "customer_classes", "funding_options") if found.rows(name)]
    counts = ", ".join(f"{name.replace('_', ' ')} {len(found.rows(name))}" for name in names)
    years = f"{manifest.planning_years[0]} to {manifest.planning_years[-1]}"
    print_text(
        f"{instance} is valid: {manifest.name}, {counts}, {years}; resolutions {', '.join(manifest.resolutions)}"
    )


@app.command()
@command
def formulation() -> None:
    """Print the model: symbols, equations, and every variable, constraint and cost by name."""
    from optimizer.formulation_docs import formulation_markdown

    print_text(formulation_markdown())


@app.command()
@command
def schema(
    form: Annotated[
        Literal["markdown", "json"], typer.Option("--format", help="For people or for programs.")
    ] = "markdown",
) -> None:
    """Print every file and column of an instance, with unit, limits, default and meaning."""
    from optimizer.schema_docs import schema_json, schema_markdown

    if form == "json":
        print_json(schema_json())
    else:
        print_text(schema_markdown())
