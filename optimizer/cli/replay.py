"""Commands that replay a run on every hour of its years."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli.frame import MISSED, app, command
from optimizer.cli.output import Progress, message, print_json, print_rich, stdout_kept_clean

if TYPE_CHECKING:
    import pandas as pd


@app.command()
@command
def replay(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Years replayed side by side; all cores if left out.")
    ] = None,
    draws: Annotated[
        int, typer.Option("--outages", min=0, metavar="N", help="Years of forced outages drawn per site; 0 for none.")
    ] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draws.")] = 0,
    repair_hours: Annotated[
        float, typer.Option("--repair-hours", min=0.1, metavar="H", help="Mean time to repair of units and circuits.")
    ] = 48.0,
    circuit_outage_rate: Annotated[
        float,
        typer.Option("--circuit-outage-rate", min=0, max=0.5, help="Share of time an existing POI circuit is out."),
    ] = 0.001,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Save every hour as a run too (large).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")] = False,
) -> int:
    """Dispatch a plan over every hour of its years: unserved load, cost, rates, and forced outages at random."""
    from optimizer.plan import annotate, read_plan, refuse_taken
    from optimizer.replay import Draws, outages, results
    from optimizer.replay import replay as replay_plan
    from optimizer.replay.text import render

    if output is not None:
        refuse_taken(output)
    with stdout_kept_clean(), Progress() as progress:
        progress({"stage": "read"})
        found = replay_plan(read_plan(run), workers=workers or os.cpu_count() or 1, progress=progress)
        lost: pd.DataFrame | None = None
        if draws:
            progress({"stage": "outages"})
            lost = outages(found, Draws(max(draws, 2), seed, repair_hours, circuit_outage_rate))
        folder = annotate(run, "replay", *results(found, lost))
        if output is not None:
            found.replayed.save(output)
    if as_json:
        print_json(results(found, lost)[0] | {"saved_in": str(folder)})
    else:
        print_rich(render(found, lost))
    message(f"Saved in {folder}" + (f", every hour in {output}" if output else ""))
    return MISSED if found.misses else 0
