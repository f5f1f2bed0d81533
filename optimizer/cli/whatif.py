"""Commands about several runs: sweep, compare."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from optimizer.cli.cluster import Address, Authority, Certificate, Key, Workers, scheduler_at
from optimizer.cli.frame import USAGE, Failure, app, command, run_names, write_whole
from optimizer.cli.output import message, print_rich, stdout_kept_clean

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from optimizer.sweep import Variant


@app.command()
@command
def sweep(
    instance: Annotated[Path, typer.Argument(metavar="INSTANCE", help="Folder or workbook of the instance.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the runs and results.csv.")],
    scenarios: Annotated[
        Path | None, typer.Option("--scenarios", metavar="FILE", help="TOML file with [scenarios.NAME] tables.")
    ] = None,
    axes: Annotated[
        list[str] | None, typer.Option("--grid", metavar="PATH=A,B,C", help="Every combination. May be repeated.")
    ] = None,
    sample: Annotated[int | None, typer.Option("--sample", min=1, metavar="N", help="Latin hypercube sample.")] = None,
    ranges: Annotated[
        list[str] | None, typer.Option("--range", metavar="PATH=LOW..HIGH", help="Range to sample. May be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the sample.")] = 0,
    gap: Annotated[float, typer.Option(min=0, max=1, help="Relative gap to stop at.")] = 0.005,
    time_limit: Annotated[float | None, typer.Option(min=0, metavar="S", help="Seconds for each variant.")] = None,
    cold: Annotated[
        bool, typer.Option("--cold", help="Solve each as if it were alone, not from the instance itself.")
    ] = False,
    workers: Workers = 2,
    scheduler: Address = None,
    tls_ca: Authority = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
) -> int:
    """Solve many variants of an instance; start it again to go on where it stopped."""
    try:
        from optimizer.sweep import Settings, SweepError
        from optimizer.sweep import sweep as run_sweep
    except ModuleNotFoundError as error:
        fix = "pip install 'community-plan-optimizer[sweep]'"
        raise Failure(USAGE, "usage error", f"sweeps need {error.name}: {fix}") from None
    started = time.perf_counter()

    def tell(done: int, count: int, row: Mapping[str, Any]) -> None:
        left = (time.perf_counter() - started) / done * (count - done)
        cost = f"{row['objective_usd'] / 1e6:,.1f} M$" if row["objective_usd"] is not None else row["message"][:80]
        message(f"{done:>5} of {count}  {left:6.0f} s left  {row['name'][:60]}: {row['status']} {cost}")

    try:
        variants = _variants(scenarios, axes or [], sample, ranges or [], seed)
        settings = Settings(gap, time_limit, cold)
        address = scheduler_at(scheduler, tls_ca, tls_cert, tls_key)
        with stdout_kept_clean():
            table = run_sweep(
                instance, variants, output, settings=settings, workers=workers, scheduler=address, progress=tell
            )
    except SweepError as error:
        raise Failure(USAGE, "usage error", str(error)) from None
    figures = {"cost, M$": table["objective_usd"].astype(float) / 1e6, "gap, %": table["gap"].astype(float) * 100}
    shown = table.assign(**figures)
    print_rich(frame_table(shown[["name", "status", "cost, M$", "gap, %"]]))
    message(f"Saved in {output} ({time.perf_counter() - started:,.0f} s)")
    return 0 if table["objective_usd"].notna().all() else 7


def _variants(
    scenarios: Path | None, axes: list[str], sample: int | None, ranges: list[str], seed: int
) -> list[Variant]:
    from optimizer.sweep import grid, latin_hypercube, read_scenarios

    if sum((scenarios is not None, bool(axes), sample is not None)) != 1 or bool(ranges) != (sample is not None):
        raise Failure(
            USAGE, "usage error", "say one of --scenarios FILE, --grid PATH=A,B (repeated), or --sample N with --range"
        )
    if scenarios is not None:
        return read_scenarios(scenarios)
    return grid(axes) if axes else latin_hypercube(ranges, sample or 1, seed)


@app.command()
@command
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of two or more runs.")],
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE.html", help="Draw what differs, as a page that opens offline."),
    ] = None,
) -> None:
    """Say what differs between runs: inputs, funding, cost, rates."""
    from optimizer.compare import compare as compare_runs
    from optimizer.plan import read_plan

    if len(runs) < 2:
        raise Failure(USAGE, "usage error", "name at least two runs to compare")
    names = run_names(runs)
    found = compare_runs({name: read_plan(run) for name, run in zip(names, runs, strict=True)})
    costs = found.costs.assign(**{name: found.costs[name] / 1e6 for name in names})
    for title, table in (
        ("Inputs that differ", found.inputs),
        ("Funding, MW", found.funding),
        ("Present value of costs, M$", costs),
        ("Highest change of rates over the years, cents per kWh", found.rates),
    ):
        print_rich(title if len(table) else f"{title}: none")
        if len(table):
            print_rich(frame_table(table))
    if plot is not None:
        from optimizer.report import what_if

        page = what_if.page(" against ".join(names), what_if.comparison_figures(found, names))
        write_whole(plot, lambda draft: draft.write_text(page, encoding="utf-8"), "another file")
        message(f"Drawn in {plot}")


def frame_table(frame: pd.DataFrame) -> Table:
    """A table for the terminal, numbers to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for column in frame.columns:
        table.add_column(Text(str(column)), justify="right" if frame[column].dtype.kind in "fi" else "left")
    for row in frame.itertuples(index=False):
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:,.3f}"
    return str(value)
