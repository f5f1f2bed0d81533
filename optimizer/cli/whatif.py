"""Commands about several runs: sweep, compare."""

from __future__ import annotations

import dataclasses
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli.cases import Overrides, Source, read_case
from optimizer.cli.cluster import Address, Authority, Certificate, Key, Workers, interruptible, scheduler_at
from optimizer.cli.frame import USAGE, Failure, app, command, refuse_unwritable, run_names, write_whole
from optimizer.cli.output import Countdown, message, print_json, print_rich, stdout_kept_clean

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from optimizer.sweep import Variant


Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]

#: Rows of a sweep's table that a terminal shows.
SHOWN = 40


@app.command()
@command
def sweep(
    instance: Source,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the runs and results.csv.")],
    scenarios: Annotated[
        Path | None, typer.Option("--scenarios", metavar="FILE", help="TOML file of named scenarios.")
    ] = None,
    axes: Annotated[
        list[str] | None,
        typer.Option(
            "--grid",
            metavar="PATH=A,B,C",
            help="Every combination (also *=, +=, -=; values with commas in double quotes). May be repeated.",
        ),
    ] = None,
    sample: Annotated[int | None, typer.Option("--sample", min=1, metavar="N", help="Latin hypercube sample.")] = None,
    ranges: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="PATH=LOW..HIGH", help="Range to sample (also *=, +=, -=). May be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the sample.")] = 0,
    overrides: Overrides = None,
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
    as_json: Json = False,
) -> int:
    """Solve many variants of an instance; start it again to go on where it stopped.

    Say which: --scenarios, --grid, or --sample with --range. Exit code 7 if a variant has no plan.
    """
    try:
        from optimizer.sweep import Settings
        from optimizer.sweep import sweep as run_sweep
    except ModuleNotFoundError as error:
        fix = "pip install 'community-plan-optimizer[sweep]'"
        raise Failure(USAGE, "usage error", f"sweeps need {error.name}: {fix}") from None
    refuse_unwritable(output)
    started, told = time.perf_counter(), Countdown()
    variants = _variants(scenarios, axes or [], sample, ranges or [], seed)
    settings = Settings(gap, time_limit, cold)
    address = scheduler_at(scheduler, tls_ca, tls_cert, tls_key)
    case = read_case(instance, overrides) if overrides else instance
    where = f"on {scheduler}" if scheduler else f"by {workers} local processes"
    message(f"{len(variants)} variants {where}")
    with stdout_kept_clean(), interruptible(output, told):
        table = run_sweep(case, variants, output, settings=settings, workers=workers, scheduler=address, progress=told)
    if as_json:
        from optimizer.show import records

        print_json({"table": records(table)})
    else:
        print_rich(frame_table(_shown(table).head(SHOWN)))
    _tell_what_next(table, output, time.perf_counter() - started)
    return 0 if table["objective_usd"].notna().all() else 7


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """What a terminal shows of a sweep, with units; for samples also what was drawn."""
    drawn = list(table.columns)[list(table.columns).index("message") + 1 :]
    figures = {
        "cost, M$": ("objective_usd", 1e-6), "gap, %": ("gap", 100.0), "make-whole, M$": ("make_whole_usd", 1e-6),
        "funded, MW": ("mw", 1.0), "capital, M$": ("capex_usd", 1e-6), "s": ("seconds", 1.0),
    }  # fmt: skip
    shown = table[["name", "status"]].assign(
        **{title: table[column].astype(float) * scale for title, (column, scale) in figures.items()}
    )
    if table["name"].str.startswith("sample-").all():
        shown = shown.assign(**{target: table[target] for target in drawn})
    return shown


def _tell_what_next(table: pd.DataFrame, folder: Path, seconds: float) -> None:
    """Where everything is, why some have no plan, and what to do with those that do."""
    if len(table) > SHOWN:
        message(f"The first {SHOWN} of {len(table)} rows are shown.")
    without = table[table["objective_usd"].isna()]
    for row in without.head(5).itertuples():
        message(f"{row.name}: {row.message}")
    if len(without):
        message(f"{len(without)} of {len(table)} variants have no plan; {folder / 'results.csv'} says why.")
    message(f"Saved in {folder} ({seconds:,.0f} s): results.csv and a run folder for every plan.")
    runs = [shlex.quote(str(folder / name)) for name in table[table["objective_usd"].notna()]["name"].head(2)]
    if len(runs) > 1:
        message(f"What two of them differ in: optimizer compare {' '.join(runs)}")


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
    as_json: Json = False,
) -> None:
    """Say what differs between runs: inputs, funding by year, cost, rates; each run against the first."""
    from optimizer.compare import against_first, unlike_money
    from optimizer.compare import compare as compare_runs
    from optimizer.plan import read_plan

    if len(runs) < 2:
        raise Failure(USAGE, "usage error", "name at least two runs to compare")
    names = run_names(runs)
    plans = {name: read_plan(run) for name, run in zip(names, runs, strict=True)}
    found = compare_runs(plans)
    for name, money in unlike_money(plans).items():
        message(f"Costs are not of the same money. {name}: {money}")
    if as_json:
        from optimizer.show import records

        print_json({field.name: records(getattr(found, field.name)) for field in dataclasses.fields(found)})
    else:
        costs = found.costs.assign(**{name: found.costs[name] / 1e6 for name in names})
        print_rich(f"Each run against {names[0]}")
        for title, table in (
            ("Inputs that differ", found.inputs),
            ("Funding, MW by year of service", against_first(found.funding, names)),
            ("Present value of costs, M$", against_first(costs, names)),
            ("Highest change of rates over the years, cents per kWh", against_first(found.rates, names)),
        ):
            print_rich(title if len(table) else f"{title}: none differs")
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

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in frame.columns:
        figures = frame[column].dtype.kind in "fi"
        longest = max(map(len, str(column).split()), default=0)
        table.add_column(
            Text(str(column)), justify="right" if figures else "left", overflow="fold", min_width=longest, no_wrap=False
        )
    for row in frame.itertuples(index=False):
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:,.3f}"
    return str(value)
