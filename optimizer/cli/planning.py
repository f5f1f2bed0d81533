"""Commands that ask more of an instance than one plan: tornado, pareto, alternatives, regret."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from optimizer.cli.cases import Overrides, ScenarioFile, Scenarios, Source, read_case
from optimizer.cli.cluster import Address, Authority, Certificate, Key, Workers, interruptible, scheduler_at
from optimizer.cli.frame import FAILURE, USAGE, Failure, app, command, refuse_unwritable, write_whole
from optimizer.cli.output import Countdown, Progress, message, print_json, print_rich, stdout_kept_clean
from optimizer.cli.whatif import Json, frame_table

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


Folder = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="DIR", help="Folder to keep the runs and the table in.")
]
Gap = Annotated[float, typer.Option(min=0, max=1, help="Relative gap of every search.")]
Limit = Annotated[float | None, typer.Option(min=0, metavar="S", help="Seconds for every search.")]
Plot = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE.html", help="Draw it, as a page that opens offline.")
]


@app.command()
@command
def tornado(
    instance: Source,
    overrides: Overrides = None,
    scenario: Scenarios = None,
    scenarios: ScenarioFile = None,
    output: Folder = None,
    gap: Gap = 0.005,
    time_limit: Limit = None,
    workers: Workers = 2,
    scheduler: Address = None,
    tls_ca: Authority = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Move every driver of drivers.csv to its low and its high value, one at a time: what the cost does."""
    from optimizer.sweep import Settings
    from optimizer.whatif.tornado import tornado_table

    refuse_unwritable(output)
    case, told = read_case(instance, overrides, scenario, scenarios), Countdown()
    with stdout_kept_clean(), interruptible(output, told):
        table = tornado_table(
            case,
            output,
            settings=Settings(gap, time_limit),
            workers=workers,
            scheduler=scheduler_at(scheduler, tls_ca, tls_cert, tls_key),
            progress=told,
        )
    shown = table[["driver", "change", "low", "high", "unit"]].copy()
    for end in ("low", "high"):
        shown[f"at {end}, M$"] = table[f"{end}_change_usd"] / 1e6
        shown[f"{end} from .. to"] = _limits(table, end)
    shown = shown.assign(**{"swing, M$": table["swing_usd"] / 1e6})
    _tell({"table": table}, shown, output, "tornado", as_json)
    _draw(plot, "Tornado", lambda what_if: [what_if.tornado_figure(table)])


@app.command()
@command
def pareto(
    instance: Source,
    overrides: Overrides = None,
    scenario: Scenarios = None,
    scenarios: ScenarioFile = None,
    against: Annotated[
        str,
        typer.Option("--against", help="rate tolerance, emissions, make-whole or unserved compute."),
    ] = "rate tolerance",
    points: Annotated[int, typer.Option(min=2, max=1000, metavar="N", help="Points, both ends among them.")] = 6,
    output: Folder = None,
    gap: Gap = 0.005,
    time_limit: Limit = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """The least cost at every level of something else that matters, from one exact end to the other."""
    from optimizer.whatif.pareto import pareto_front

    refuse_unwritable(output, new=True)
    case = read_case(instance, overrides, scenario, scenarios)
    with stdout_kept_clean(), Progress() as progress:
        try:
            table = pareto_front(
                case,
                against,
                points=points,
                gap=gap,
                time_limit=time_limit,
                folder=output,
                progress=progress,
            )
        except ValueError as error:
            raise _usage(error) from None
    title = f"{against}, {table['unit'].iloc[0]}"
    shown = pd_frame({
        title: table["value"], "cost, M$": table["cost_usd"] / 1e6, "no plan below, M$": table["bound_usd"] / 1e6,
        "gap, %": 100 * table["gap"], "status": table["status"], "MW": table["mw"],
        "capital, M$": table["capex_usd"] / 1e6, "make-whole, M$": table["make_whole_usd"] / 1e6,
    })  # fmt: skip
    _tell({"table": table}, shown, output, "pareto", as_json)
    _draw(plot, f"Cost against {against}", lambda what_if: [what_if.front_figure(table)])


@app.command()
@command
def alternatives(
    instance: Source,
    overrides: Overrides = None,
    scenario: Scenarios = None,
    scenarios: ScenarioFile = None,
    within: Annotated[
        float, typer.Option(min=0, max=10, help="Share above the least cost that a plan may cost.")
    ] = 0.02,
    by: Annotated[list[str] | None, typer.Option("--by", help="Differ in: site, technology or option.")] = None,
    count: Annotated[int, typer.Option(min=1, max=100, metavar="N", help="Plans for each of these.")] = 2,
    ranges: Annotated[
        list[str] | None, typer.Option("--range", help="Least and most MW of each: site, technology or option.")
    ] = None,
    output: Folder = None,
    gap: Gap = 0.005,
    time_limit: Limit = None,
    search_time_limit: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="S", help="Seconds for each search after that for the least cost; as --time-limit."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Plans that cost hardly more than the least and fund as differently as possible, and how far MW can vary."""
    from optimizer.whatif.near_optimal import near_optimal

    refuse_unwritable(output, new=True)
    case = read_case(instance, overrides, scenario, scenarios)
    with stdout_kept_clean(), Progress() as progress:
        try:
            found = near_optimal(
                case, within, by=tuple(by or ("site", "technology")), count=count, ranges=tuple(ranges or ()),
                gap=gap, time_limit=time_limit, folder=output, progress=progress,
                search_time_limit=time_limit if search_time_limit is None else search_time_limit,
            )  # fmt: skip
        except ValueError as error:
            raise _usage(error) from None
    plans = found.plans
    shown = pd_frame({
        "plan": plans["plan"], "cost, M$": plans["cost_usd"] / 1e6, "above the least, %": 100 * plans["above_least"],
        "MW apart": plans["distance_mw"], "at most": plans["distance_bound_mw"], "status": plans["status"],
    })  # fmt: skip
    tables = {"plans": plans, "funding": found.funding, "ranges": found.ranges}
    _tell(tables, shown, output, "alternatives", as_json)
    if not as_json:
        print_rich("Funded, MW")
        print_rich(frame_table(found.funding))
        if len(found.ranges):
            print_rich("Least and most MW within the share, and what no plan goes beyond")
            print_rich(frame_table(found.ranges))


@app.command()
@command
def regret(
    instance: Source,
    scenarios: Annotated[Path, typer.Option("--scenarios", metavar="FILE", help="TOML file of named scenarios.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the runs and the tables.")],
    overrides: Overrides = None,
    committed_by: Annotated[
        int | None,
        typer.Option(
            "--committed-by",
            metavar="YEAR",
            help="What is ordered by then is fixed: from the base year (if left out) to the last planning year.",
        ),
    ] = None,
    gap: Gap = 0.005,
    time_limit: Limit = None,
    workers: Workers = 2,
    scheduler: Address = None,
    tls_ca: Authority = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    as_json: Json = False,
) -> int:
    """What each scenario's plan would cost if another scenario came true, its first orders made already.

    Exit code 7 if a scenario has no plan of its own.
    """
    from optimizer.sweep import Settings, read_scenarios
    from optimizer.whatif.regret import regret_matrix, regret_table

    refuse_unwritable(output)
    case, told = read_case(instance, overrides), Countdown()
    with stdout_kept_clean(), interruptible(output, told):
        try:
            table = regret_table(
                case, read_scenarios(scenarios), output, committed_by=committed_by,
                settings=Settings(gap, time_limit), workers=workers,
                scheduler=scheduler_at(scheduler, tls_ca, tls_cert, tls_key), progress=told,
            )  # fmt: skip
        except ValueError as error:
            raise _usage(error) from None
    matrix = regret_matrix(table)
    money = [name for name in matrix.columns if name != "plan"]
    shown = matrix.assign(**{name: matrix[name] / 1e6 for name in money})
    titles = {"largest_usd": "largest", "mean_usd": "mean"}
    _tell({"regret": matrix}, shown.rename(columns=titles), output, "regret-by-plan", as_json)
    without = table[(table["plan"] == table["scenario"]) & table["cost_usd"].isna()]
    for name, status, said in without[["plan", "status", "message"]].itertuples(index=False):
        message(f"{name} has no plan of its own and is left out: {said or status}")
    return FAILURE if len(without) else 0


def _limits(table: pd.DataFrame, end: str) -> list[str]:
    """How far a change of the cost is known, M$, its searches having ended within gaps; or why there is none."""
    return [
        str(status) if change != change else f"{least / 1e6:,.1f} .. {most / 1e6:,.1f}"
        for change, least, most, status in table[
            [f"{end}_change_usd", f"{end}_least_usd", f"{end}_most_usd", f"{end}_status"]
        ].itertuples(index=False)
    ]


def pd_frame(columns: Mapping[str, pd.Series[Any]]) -> pd.DataFrame:
    """A table from columns."""
    import pandas as pd

    return pd.DataFrame(columns)


def _tell(
    tables: Mapping[str, pd.DataFrame], shown: pd.DataFrame, folder: Path | None, name: str, as_json: bool
) -> None:
    """Print the first table, or all of them as JSON; keep them as CSV in the folder."""
    from optimizer.show import records

    if as_json:
        print_json({key: records(table) for key, table in tables.items()})
    else:
        print_rich(frame_table(shown))
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for key, table in tables.items():
        file = folder / (f"{name}.csv" if len(tables) == 1 else f"{name}-{key}.csv")
        write_whole(file, functools.partial(table.to_csv, index=False, lineterminator="\n"))
    message(f"Saved in {folder}")


def _draw(file: Path | None, title: str, figures: Any) -> None:
    if file is None:
        return
    from optimizer.report import what_if

    drawn: list[go.Figure] = figures(what_if)
    write_whole(file, lambda draft: draft.write_text(what_if.page(title, drawn), encoding="utf-8"), "another file")
    message(f"Drawn in {file}")


def _usage(error: ValueError) -> Exception:
    """What was asked for makes no sense; bad data stay what they are."""
    from optimizer.problems import InstanceError

    return error if isinstance(error, InstanceError) else Failure(USAGE, "usage error", str(error))
