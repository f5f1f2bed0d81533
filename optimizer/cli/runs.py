"""Commands that make and show runs: solve, show."""

from __future__ import annotations

import datetime
import functools
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from optimizer.cli.cases import Overrides, ScenarioFile, Scenarios, Source, read_case
from optimizer.cli.cluster import Authority, BlocksAt, Certificate, Key, SideBySide, scheduler_at
from optimizer.cli.frame import FAILURE, MISSED, STATUS_CODES, USAGE, Failure, app, command
from optimizer.cli.output import Progress, message, print_json, print_rich, stdout_kept_clean

if TYPE_CHECKING:
    from optimizer.instance import Instance
    from optimizer.plan import Plan
    from optimizer.replay import Replay


def _number(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter("must be a finite number")
    return value


@app.command()
@command
def solve(
    instance: Source,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Run folder; if left out, results/NAME-RESOLUTION-TIME."),
    ] = None,
    overrides: Overrides = None,
    scenario: Scenarios = None,
    scenarios: ScenarioFile = None,
    gap: Annotated[float, typer.Option(min=0, max=1, callback=_number, help="Relative gap to stop at.")] = 0.005,
    time_limit: Annotated[
        float | None, typer.Option(min=0, callback=_number, metavar="S", help="Seconds to search for.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, metavar="N", help="Threads of the solver.")] = None,
    method: Annotated[
        Literal["auto", "benders", "monolithic"],
        typer.Option(help="By blocks of network and year (benders), as one matrix, or what is faster at its size."),
    ] = "auto",
    workers: SideBySide = None,
    scheduler: BlocksAt = None,
    tls_ca: Authority = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    until_replay_holds: Annotated[
        int | None,
        typer.Option(
            "--until-replay-holds",
            min=0,
            metavar="N",
            help="Replay every hour; where a limit is missed, add the worst periods and solve again, at most N times.",
        ),
    ] = None,
    price_pledge: Annotated[
        bool, typer.Option("--price-pledge", help="Solve again without the pledge: what it costs, who would pay.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in DIR.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")] = False,
) -> int:
    """Find the cheapest plan that keeps local rates flat, and save it."""
    started = time.perf_counter()
    with stdout_kept_clean(), Progress() as progress:
        progress({"stage": "read"})
        found = read_case(instance, overrides, scenario, scenarios)
        folder = _claim(output, found, overwrite)
        from optimizer.highs import Interrupt
        from optimizer.plan import annotate
        from optimizer.replay import results
        from optimizer.solve import solve as solve_instance

        solving = time.perf_counter()
        options: dict[str, Any] = {"gap": gap, "time_limit": time_limit, "threads": threads, "method": method}
        solver = functools.partial(
            solve_instance, workers=workers, scheduler=scheduler_at(scheduler, tls_ca, tls_cert, tls_key)
        )
        history: list[Replay] = []
        stopped: Failure | None = None
        with _kept_if_refused(found, folder):
            if until_replay_holds is None:
                plan = solver(found, progress=progress, **options)
            else:
                plan, history, stopped = _until_it_holds(found, solver, until_replay_holds, progress, options)
            if price_pledge and stopped is None:
                plan, stopped = _priced(plan, time_limit=time_limit, threads=threads, progress=progress)
        solve_seconds = time.perf_counter() - solving
        progress({"stage": "save"})
        interrupt = Interrupt()
        with interrupt.listening():
            folder = _save(plan, folder, overwrite)
            if history:
                annotate(folder, "replay", *results(history[-1]))
        if interrupt.asked and stopped is None:
            stopped = Failure.of(KeyboardInterrupt())
    from optimizer.show import render, summary

    if as_json:
        seconds = {"solve_seconds": solve_seconds, "total_seconds": time.perf_counter() - started}
        print_json(summary(plan) | seconds | {"run_dir": str(folder)})
    else:
        print_rich(render(plan))
    for number, replayed in enumerate(history, 1):
        state = "holds" if not replayed.misses else "misses limits"
        message(f"Round {number}: {replayed.plan.objective_usd / 1e6:,.1f} M$, the replay {state}")
    message(f"Saved in {folder}")
    if stopped is not None:
        message(f"Not finished: {stopped.message}; the last plan was saved")
        return stopped.code
    if history and history[-1].misses:
        return MISSED
    return STATUS_CODES[plan.status]


@app.command()
@command
def show(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    all_rates: Annotated[bool, typer.Option("--rates", help="Every class in every year.")] = False,
) -> None:
    """Print the tables of a saved run."""
    from optimizer.plan import read_plan
    from optimizer.show import render

    print_rich(render(read_plan(run), all_rates=all_rates))


@contextmanager
def _kept_if_refused(instance: Instance, folder: Path) -> Iterator[None]:
    """Save the instance of a plan that the checker refuses: it is what a report of the fault needs."""
    from optimizer.check import CheckError
    from optimizer.instance import write_instance

    try:
        yield
    except CheckError as error:
        kept = Path(tempfile.mkdtemp(prefix=f"{folder.name}-refused-", dir=folder.parent))
        write_instance(instance, kept)
        fix = f"This is a fault of the program: please report it with the instance, which is kept in {kept}"
        raise Failure(FAILURE, "failed check", f"{error}. {fix}") from None


def _until_it_holds(
    instance: Instance, solver: Callable[..., Plan], rounds: int, progress: Progress, options: dict[str, Any]
) -> tuple[Plan, list[Replay], Failure | None]:
    """The last plan and all replays; what stopped the rounds before their end, which does not cost the last plan."""
    from optimizer.replay import solve_until_replay_holds

    solved: list[Plan] = []

    def remembering(*given: Any, **settings: Any) -> Plan:
        solved.append(solver(*given, **settings))
        if solved[-1].status == "interrupted":
            raise KeyboardInterrupt  # the wish is of the whole, not of this round
        return solved[-1]

    workers = os.cpu_count() or 1
    try:
        history = solve_until_replay_holds(
            instance, rounds=rounds, workers=workers, progress=progress, solver=remembering, **options
        )
    except (Exception, KeyboardInterrupt) as error:
        if not solved:
            raise
        return solved[-1], [], Failure.of(error)
    return history[-1].plan, history, None


def _priced(plan: Plan, **options: Any) -> tuple[Plan, Failure | None]:
    """The plan with the price of its pledge; without it, and with a word why, where that is not known."""
    from optimizer.pledge import price_of_pledge, with_price
    from optimizer.solve import SolveError

    if plan.status == "interrupted":
        return plan, None
    try:
        return with_price(plan, price_of_pledge(plan, **options)), None
    except (SolveError, ValueError) as error:
        message(f"The price of the pledge is not known: {error}")
        return plan, None
    except KeyboardInterrupt as error:
        return plan, Failure.of(error)


def _claim(output: Path | None, instance: Instance, overwrite: bool) -> Path:
    """Make sure that the run can be saved, before an hour of solving."""
    from optimizer.plan import is_run, refuse_taken

    folder = output or _default_folder(instance)
    if is_run(folder) and not overwrite:
        raise Failure(USAGE, "usage error", f"{folder} holds a run: choose another -o, or replace it with --overwrite")
    refuse_taken(folder, overwrite=overwrite)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder.parent):
            pass
    except OSError as error:
        raise Failure(
            USAGE, "usage error", f"{folder} cannot be written: {error.strerror}; choose another -o"
        ) from None
    return folder


def _default_folder(instance: Instance) -> Path:
    manifest = instance.manifest
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    name = re.sub(r"[^\w.-]+", "-", f"{manifest.name}-{manifest.options.resolution}-{now}").lstrip("-.")
    folder = Path("results") / name
    taken = 1
    while folder.exists():
        taken += 1
        folder = folder.with_name(f"{name}-{taken}")
    return folder


def _save(plan: Plan, folder: Path, overwrite: bool) -> Path:
    """Save the run; elsewhere if its folder can no longer be written, so that the plan is not lost."""
    try:
        return plan.save(folder, overwrite=overwrite)
    except OSError as error:
        rescue = Path(tempfile.mkdtemp(prefix="optimizer-")) / folder.name
        message(f"{folder} cannot be written ({error.strerror or error}); saving in {rescue} instead")
        return plan.save(rescue)
