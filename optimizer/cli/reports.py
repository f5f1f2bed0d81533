"""Command report: a run as an HTML file or a workbook, or one community's page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli.frame import USAGE, Failure, app, command, run_names, write_whole
from optimizer.cli.output import Progress, message, stdout_kept_clean

if TYPE_CHECKING:
    import pandas as pd

    from optimizer.plan import Plan


@app.command()
@command
def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folder of a run; with --xlsx, others to compare it with.")
    ],
    site: Annotated[
        str | None, typer.Option("--site", metavar="SITE", help="The page of one community instead of the whole plan.")
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="One HTML file: the default.")] = False,
    workbook: Annotated[bool, typer.Option("--xlsx", help="An Excel workbook with live formulas instead.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what binds and sensitivities, which need an LP to be solved.")
    ] = False,
    charge: Annotated[
        float | None,
        typer.Option(
            "--charge",
            metavar="US$/MWH",
            min=0,
            max=1e6,
            help="With --xlsx: what campuses pay for each MWh delivered, real, to see what that returns.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="File to write; if left out, beside the run.")
    ] = None,
) -> None:
    """Write a run as one HTML file that opens without a network, or as an Excel workbook."""
    from optimizer.plan import read_plan

    if site is not None and workbook:
        raise Failure(USAGE, "usage error", "a community's page is HTML: leave out --xlsx or --site")
    if html and workbook:
        raise Failure(USAGE, "usage error", "one file at a time: --html or --xlsx")
    if not workbook and (len(runs) > 1 or charge is not None):
        raise Failure(USAGE, "usage error", "several runs and --charge are for a workbook: add --xlsx")
    run, *others = runs
    write = _workbook_writer(run, others, charge) if workbook else _page_writer(run, site, quick)
    plan = read_plan(run)
    name = run.name if site is None else f"{run.name}-{''.join(c if c.isalnum() else '-' for c in site)}"
    target = output or run.parent / f"{name}.{'xlsx' if workbook else 'html'}"
    try:
        write_whole(target, lambda draft: write(plan, draft))
    except KeyError as error:
        raise Failure(USAGE, "usage error", str(error.args[0])) from None
    message(f"Saved in {target} ({target.stat().st_size / 1e6:.1f} MB)")


def _workbook_writer(run: Path, others: list[Path], charge: float | None) -> Callable[[Plan, Path], object]:
    """What writes the workbook of a run, beside others by name."""
    from optimizer.plan import read_plan

    try:
        from optimizer.report.workbook import write_workbook
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    names = run_names([run, *others])
    beside = {name: read_plan(other) for name, other in zip(names[1:], others, strict=True)}
    return lambda plan, file: write_workbook(plan, file, charge_usd_per_mwh=charge, others=beside, name=names[0])


def _page_writer(run: Path, site: str | None, quick: bool) -> Callable[[Plan, Path], object]:
    """What writes the page that was asked for."""
    try:
        from optimizer.report import community_html, report_html
    except ModuleNotFoundError as error:
        raise _missing(error) from None

    def page(plan: Plan) -> str:
        if site is not None:
            return community_html(plan, site)
        return report_html(plan, None if quick else _margins(plan), _of_replay(run, "weeks"), _of_replay(run, "hours"))

    return lambda plan, file: file.write_text(page(plan), encoding="utf-8")


def _of_replay(run: Path, table: str) -> pd.DataFrame | None:
    """A table of the run's replay; none where it was not replayed, or before there was such a table."""
    import pandas as pd

    file = run / "replay" / f"{table}.csv"
    return pd.read_csv(file, dtype={"site": str}, keep_default_na=False) if file.is_file() else None


def _margins(plan: Plan) -> pd.DataFrame | None:
    """Marginal values; none, and a word why, where the plan has none."""
    from optimizer.explain import marginal_values

    with stdout_kept_clean(), Progress() as progress:
        progress({"stage": "what binds"})
        try:
            return marginal_values(plan)
        except ValueError as error:
            message(f"What binds is not known: {error}")
            return None


def _missing(error: ModuleNotFoundError) -> Failure:
    fix = "pip install 'community-plan-optimizer[report]'"
    return Failure(USAGE, "usage error", f"reports need {error.name}: {fix}")
