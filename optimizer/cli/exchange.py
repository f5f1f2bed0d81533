"""Commands that carry an instance from one form to another: import pypsa, export pypsa, export folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from optimizer.cli.cases import Overrides, ScenarioFile, Scenarios, Source, read_case
from optimizer.cli.frame import USAGE, Failure, app, command
from optimizer.cli.output import message, print_text, stdout_kept_clean

if TYPE_CHECKING:
    from optimizer.pypsa_io import Loss

importing = typer.Typer(no_args_is_help=True, help="Make an instance from another tool's case.")
exporting = typer.Typer(no_args_is_help=True, help="Write an instance in another form.")
app.add_typer(importing, name="import")
app.add_typer(exporting, name="export")

Output = Annotated[Path, typer.Option("-o", "--output", help="What to write; nothing that exists is replaced.")]


@importing.command("pypsa")
@command
def import_pypsa(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="netCDF file, or folder of CSV files.")],
    output: Output,
    sites: Annotated[
        list[str] | None, typer.Option("--site", metavar="BUS", help="Bus of a data-centre site. May be repeated.")
    ] = None,
    currency: Annotated[str | None, typer.Option("--currency", help="Currency of its costs: USD.")] = None,
    price_year: Annotated[int | None, typer.Option("--price-year", help="Year of its real dollars.")] = None,
    base_year: Annotated[int | None, typer.Option("--base-year", help="Year that money is discounted to.")] = None,
    discount_rate: Annotated[
        float | None, typer.Option("--discount-rate", help="Sponsor's real discount rate, a share.")
    ] = None,
    pue: Annotated[float | None, typer.Option("--pue", help="Facility load per IT load of its loads.")] = None,
    synthetic: Annotated[
        bool | None, typer.Option("--synthetic/--measured", help="Are its series made by a script or measured.")
    ] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Licence of its content.")] = None,
    year: Annotated[int | None, typer.Option("--year", help="Its year, if it has no investment periods.")] = None,
    life_years: Annotated[
        int | None, typer.Option("--life-years", help="Life of extendable plant without a lifetime.")
    ] = None,
    max_mw: Annotated[float | None, typer.Option("--max-mw", help="Most MW of plant without p_nom_max.")] = None,
    own: Annotated[
        list[str] | None,
        typer.Option("--own", metavar="NAME", help="Standing plant in a zone that is the sponsor's. May be repeated."),
    ] = None,
    prices_from_solution: Annotated[
        bool, typer.Option("--prices-from-solution", help="Zones without a market: price of the last solution.")
    ] = False,
) -> None:
    """Make an instance from a PyPSA network, and list what could not be carried."""
    given: dict[str, Any] = {
        "sites": tuple(sites or ()),
        "currency": currency,
        "price_year": price_year,
        "base_year": base_year,
        "discount_rate": discount_rate,
        "pue": pue,
        "synthetic": synthetic,
        "licence": licence,
        "year": year,
        "life_years": life_years,
        "max_mw": max_mw,
        "own": tuple(own or ()),
        "prices_from_solution": prices_from_solution or None,
    }
    with _pypsa_needed(), stdout_kept_clean():
        from optimizer.instance import write_instance
        from optimizer.pypsa_io import from_network, read_network, read_settings

        _refuse_taken(output, folder=True)
        found = read_network(network)
        instance, losses = from_network(found, read_settings(found.meta, given), origin=network.name)
    with _writable(output):
        write_instance(instance, output)
    _tell(losses, output)


@exporting.command("pypsa")
@command
def export_pypsa(
    instance: Source,
    output: Output,
    load: Annotated[
        Literal["floor", "ceiling"] | None,
        typer.Option("--load", help="Energised IT of sites whose floor and ceiling differ."),
    ] = None,
    overrides: Overrides = None,
    scenario: Scenarios = None,
    scenarios: ScenarioFile = None,
) -> None:
    """Write an instance as a PyPSA network (FILE.nc, or a folder of CSV files), and list what could not be carried."""
    with _pypsa_needed(), stdout_kept_clean():
        from optimizer.pypsa_io import to_network, write_network

        _refuse_taken(output, folder=False)
        network, losses = to_network(read_case(instance, overrides, scenario, scenarios), load)
        with _writable(output):
            write_network(network, output)
    _tell(losses, output)


@exporting.command("folder")
@command
def export_folder(
    instance: Annotated[Path, typer.Argument(metavar="INSTANCE", help="Workbook (or folder) of the instance.")],
    output: Output,
) -> None:
    """Write an instance as a folder of CSV files."""
    from optimizer.instance import read_instance, write_instance

    found = read_instance(instance)
    with _writable(output):
        write_instance(found, output)
    print_text(f"{output} is ready. Next: optimizer solve {output}")


def _refuse_taken(output: Path, *, folder: bool) -> None:
    """Refuse an output that exists before anything is read."""
    from optimizer.pypsa_io.files import NETCDF, refuse_taken

    if folder and output.suffix == NETCDF and output.is_dir() and not any(output.iterdir()):
        return
    refuse_taken(output)


@contextmanager
def _pypsa_needed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        fix = "pip install 'community-plan-optimizer[pypsa]'"
        raise Failure(USAGE, "usage error", f"exchange with PyPSA needs {error.name}: {fix}") from None


@contextmanager
def _writable(output: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        fix = f"{output} cannot be written: {error.strerror or error}; choose another -o"
        raise Failure(USAGE, "usage error", fix) from None


def _tell(losses: list[Loss], output: Path) -> None:
    """One line for each figure that was not carried, in full: a table would cut them."""
    entries = "1 entry" if len(losses) == 1 else f"{len(losses)} entries"
    head = f"{entries} not carried, or not in full:" if losses else "Everything was carried"
    print_text("\n".join([head, *(f"  {loss}" for loss in losses)]))
    message(f"Saved in {output}")
