"""Command explain: why there is no plan, or what limits are worth in a plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli.cases import Overrides, ScenarioFile, Scenarios, read_case
from optimizer.cli.frame import INFEASIBLE, USAGE, Failure, app, command
from optimizer.cli.output import Progress, print_json, print_rich, stdout_kept_clean

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from optimizer.explain import Explanation
    from optimizer.instance import Instance


@app.command()
@command
def explain(
    source: Annotated[Path, typer.Argument(metavar="INSTANCE|RUN", help="An instance, or the folder of a run.")],
    overrides: Overrides = None,
    scenario: Scenarios = None,
    scenarios: ScenarioFile = None,
    time_limit: Annotated[
        float, typer.Option(min=1, metavar="S", help="Seconds to search for the cheapest way out.")
    ] = 120.0,
    threads: Annotated[int | None, typer.Option(min=1, metavar="N", help="Threads of the solver.")] = None,
    blocks: Annotated[
        bool, typer.Option("--runner-up", help="Of a run: what one block more or fewer of each investment would cost.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")] = False,
) -> int | None:
    """Say why an instance has no plan, or what another unit of each limit is worth in a run."""
    from optimizer.plan import is_run

    if is_run(source):
        if overrides or scenario or scenarios:
            said = "--set and --scenario go with an instance: a run is explained as it is"
            raise Failure(USAGE, "usage error", said)
        (_runner_up if blocks else _values)(source, threads, as_json)
        return None
    if blocks:
        raise Failure(USAGE, "usage error", f"--runner-up goes with a run: solve {source} first")
    return _reasons(lambda: read_case(source, overrides, scenario, scenarios), time_limit, threads, as_json)


def _values(run: Path, threads: int | None, as_json: bool) -> None:
    from optimizer.explain import marginal_values
    from optimizer.plan import read_plan

    with stdout_kept_clean():
        values = marginal_values(read_plan(run), threads=threads)
    if as_json:
        print_json({"marginal_values": values.to_dict("records"), "conditional_on": "the investments of this plan"})
        return
    title = "Present value of one more unit of each limit, US$, conditional on this plan's investments"
    print_rich(title)
    print_rich(_table(values, {"usd_per_unit": "{:,.2f}"}))


def _runner_up(run: Path, threads: int | None, as_json: bool) -> None:
    from optimizer.explain import runner_up
    from optimizer.plan import read_plan

    with stdout_kept_clean():
        found = runner_up(read_plan(run), threads=threads)
    if as_json:
        rows = found.astype(object).where(found.notna(), None).to_dict("records")
        print_json({"runner_up": rows, "conditional_on": "all other investments of this plan"})
        return
    print_rich("One block more or fewer, all other investments as planned: rise of the present value, M$")
    shown = found.assign(usd=found["usd"] / 1e6).rename(columns={"usd": "M$"})
    forms = {"planned_blocks": "{:g}", "change_blocks": "{:+g}", "change_mw": "{:+,.1f}", "M$": "{:,.3f}"}
    print_rich(_table(shown, forms))


def _reasons(read: Callable[[], Instance], seconds: float, threads: int | None, as_json: bool) -> int | None:
    with stdout_kept_clean(), Progress() as progress:
        from optimizer.explain import explain_infeasible

        found = explain_infeasible(read(), threads=threads, seconds=seconds, progress=progress)
    if as_json:
        print_json(found.as_dict())
    else:
        _print(found)
    return None if found.feasible else INFEASIBLE


def _print(found: Explanation) -> None:
    if found.feasible:
        print_rich("There is a plan: solve the instance, then explain the run for what each limit is worth.")
        return
    if len(found.relaxations):
        print_rich("There is no plan. The least that would have to give way:")
        for row in found.relaxations.itertuples(index=False):
            print_rich(f"  {row.text}")
        print_rich("\nFamilies that would do alone:")
        print_rich(_table(found.alternatives, {"amount": "{:,.4g}"}))
    if len(found.conflict):
        print_rich("Requirements that contradict each other; without any one of them the others have a solution:")
        print_rich(_table(found.conflict, {}))
    if found.note:
        print_rich(f"Note: {found.note}.")


def _table(frame: pd.DataFrame, forms: dict[str, str]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for column in frame.columns:
        table.add_column(column.replace("_", " "), justify="right" if column in forms else "left")
    for row in frame.itertuples(index=False):
        cells = [
            forms.get(column, "{}").format("" if value is None else value)
            for column, value in zip(frame.columns, row, strict=True)
        ]
        table.add_row(*map(Text, cells))
    return table
