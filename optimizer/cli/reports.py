"""Command report: a run as an HTML file or a workbook, or one community's page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli.frame import USAGE, Failure, app, command, write_whole
from optimizer.cli.output import message

if TYPE_CHECKING:
    from optimizer.plan import Plan


@app.command()
@command
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    site: Annotated[
        str | None, typer.Option("--site", metavar="SITE", help="The page of one community instead of the whole plan.")
    ] = None,
    workbook: Annotated[bool, typer.Option("--xlsx", help="An Excel workbook with live formulas instead.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="File to write; if left out, beside the run.")
    ] = None,
) -> None:
    """Write a run as one HTML file that opens without a network, or as an Excel workbook."""
    from optimizer.plan import read_plan

    if site is not None and workbook:
        raise Failure(USAGE, "usage error", "a community's page is HTML: leave out --xlsx or --site")
    write = _writer(site, workbook)
    plan = read_plan(run)
    name = run.name if site is None else f"{run.name}-{''.join(c if c.isalnum() else '-' for c in site)}"
    target = output or run.parent / f"{name}.{'xlsx' if workbook else 'html'}"
    try:
        write_whole(target, lambda draft: write(plan, draft))
    except KeyError as error:
        raise Failure(USAGE, "usage error", str(error.args[0])) from None
    message(f"Saved in {target} ({target.stat().st_size / 1e6:.1f} MB)")


def _writer(site: str | None, workbook: bool) -> Callable[[Plan, Path], object]:
    """What writes the file that was asked for."""
    try:
        if workbook:
            from optimizer.report.workbook import write_workbook

            return write_workbook
        from optimizer.report import community_html, report_html
    except ModuleNotFoundError as error:
        fix = "pip install 'community-plan-optimizer[report]'"
        raise Failure(USAGE, "usage error", f"reports need {error.name}: {fix}") from None
    page = report_html if site is None else lambda plan: community_html(plan, site)
    return lambda plan, file: file.write_text(page(plan), encoding="utf-8")
