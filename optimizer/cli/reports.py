"""Command report: a run as an HTML file, or one community's page."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from optimizer.cli.frame import USAGE, Failure, app, command
from optimizer.cli.output import message


@app.command()
@command
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    site: Annotated[
        str | None, typer.Option("--site", metavar="SITE", help="The page of one community instead of the whole plan.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="HTML file; if left out, beside the run.")
    ] = None,
) -> None:
    """Write a run as one HTML file that opens without a network."""
    from optimizer.plan import read_plan

    try:
        from optimizer.report import community_html, report_html
    except ModuleNotFoundError as error:
        fix = "pip install 'community-plan-optimizer[report]'"
        raise Failure(USAGE, "usage error", f"reports need {error.name}: {fix}") from None
    plan = read_plan(run)
    try:
        page = report_html(plan) if site is None else community_html(plan, site)
    except KeyError as error:
        raise Failure(USAGE, "usage error", str(error.args[0])) from None
    name = run.name if site is None else f"{run.name}-{''.join(c if c.isalnum() else '-' for c in site)}"
    target = output or run.parent / f"{name}.html"
    _write(target, page)
    message(f"Saved in {target} ({target.stat().st_size / 1e6:.1f} MB)")


def _write(target: Path, text: str) -> None:
    """Whole or not at all."""
    try:
        handle, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(draft).chmod(0o644)
        Path(draft).replace(target)
    except OSError as error:
        raise Failure(
            USAGE, "usage error", f"{target} cannot be written: {error.strerror}; choose another -o"
        ) from None
