"""Commands about instances: init, validate, schema."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer

from optimizer.cli.frame import USAGE, Failure, app, command
from optimizer.cli.output import print_json, print_text


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
def validate(
    instance: Annotated[Path, typer.Argument(metavar="INSTANCE", help="Folder of the instance.")],
) -> None:
    """Read an instance and list everything that is wrong with it."""
    from optimizer.instance import read_instance

    found = read_instance(instance)
    manifest = found.manifest
    names = [name for name in ("sites", "utilities", "customer_classes", "funding_options") if found.rows(name)]
    counts = ", ".join(f"{name.replace('_', ' ')} {len(found.rows(name))}" for name in names)
    years = f"{manifest.planning_years[0]} to {manifest.planning_years[-1]}"
    print_text(
        f"{instance} is valid: {manifest.name}, {counts}, {years}; resolutions {', '.join(manifest.resolutions)}"
    )


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
