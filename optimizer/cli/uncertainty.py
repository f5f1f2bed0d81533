"""The command for plans under uncertainty."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli.cases import Overrides, Source, read_case
from optimizer.cli.cluster import Authority, BlocksAt, Certificate, Key, SideBySide, scheduler_at
from optimizer.cli.frame import STATUS_CODES, USAGE, Failure, app, command, refuse_unwritable
from optimizer.cli.output import message, print_json, print_rich, stdout_kept_clean
from optimizer.cli.whatif import frame_table

if TYPE_CHECKING:
    from optimizer.uncertainty import TwoStage


@app.command("two-stage")
@command
def two_stage(
    instance: Source,
    scenarios: Annotated[
        Path, typer.Option("--scenarios", metavar="FILE", help="TOML file, [scenarios.NAME] tables, each with weight.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the runs and the tables.")],
    overrides: Overrides = None,
    committed_by: Annotated[
        int | None,
        typer.Option(
            "--committed-by",
            metavar="YEAR",
            help="Orders until then are common: from the base year (if left out) to the last planning year.",
        ),
    ] = None,
    beta: Annotated[float, typer.Option(help="Part of the aim that is CVaR, 0 to 1.")] = 0.0,
    alpha: Annotated[float, typer.Option(help="CVaR is the mean cost of the worst 1 - ALPHA of futures.")] = 0.9,
    rates_probability: Annotated[
        float, typer.Option("--rates-probability", metavar="P", help="Probability with which all rates hold.")
    ] = 1.0,
    gap: Annotated[float, typer.Option(min=0, max=1, help="Relative gap of every search.")] = 0.005,
    time_limit: Annotated[float | None, typer.Option(min=0, metavar="S", help="Seconds for every search.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, metavar="N", help="Threads of the solver.")] = None,
    method: Annotated[str, typer.Option("--method", help="auto, benders or monolithic.")] = "auto",
    workers: SideBySide = None,
    scheduler: BlocksAt = None,
    tls_ca: Authority = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace runs that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")] = False,
) -> int:
    """Plan for several weighted futures at once: what is ordered early is common, the rest follows in each."""
    from optimizer.show import records
    from optimizer.sweep import read_scenarios
    from optimizer.uncertainty import two_stage as plan_for_all

    if method not in ("auto", "benders", "monolithic"):
        raise Failure(USAGE, "usage error", f"--method {method}: say auto, benders or monolithic")
    refuse_unwritable(output)
    if output.exists() and any(output.iterdir()) and not overwrite:
        raise Failure(USAGE, "usage error", f"{output} is not empty: name another folder or add --overwrite")
    futures = read_scenarios(scenarios)
    case = read_case(instance, overrides)
    message(f"Planning for {len(futures)} futures")
    with stdout_kept_clean():
        found = plan_for_all(
            case, futures, committed_by=committed_by, beta=beta, alpha=alpha, rates_probability=rates_probability,
            gap=gap, time_limit=time_limit, threads=threads, workers=workers,
            scheduler=scheduler_at(scheduler, tls_ca, tls_cert, tls_key), method=method,  # type: ignore[arg-type]
        )  # fmt: skip
    found.save(output, overwrite=overwrite)
    if as_json:
        print_json({name: records(getattr(found, name)) for name in ("summary", "scenarios", "orders", "funding")})
    else:
        _tell(found)
    message(f"Saved in {output}")
    return max(STATUS_CODES[plan.status] for plan in found.plans.values())


def _tell(found: TwoStage) -> None:
    money = {"usd": "M$", "least_usd": "at least, M$", "most_usd": "at most, M$"}
    summary = found.summary.assign(**{name: found.summary[name] / 1e6 for name in money}).rename(columns=money)
    futures = {"cost_usd": "cost, M$", "alone_usd": "planned for alone, M$", "alone_bound_usd": "none below, M$"}
    scenarios = found.scenarios.assign(**{name: found.scenarios[name] / 1e6 for name in futures})
    print_rich(f"Present values; gap {found.gap:.2%}")
    print_rich(frame_table(summary))
    if found.summary["usd"].isin([float("inf")]).any():
        print_rich("inf: with what is ordered for the mean of the futures, one of them has no plan")
    print_rich("Futures")
    print_rich(frame_table(scenarios.rename(columns=futures)))
    print_rich("Ordered in common" if len(found.orders) else "Ordered in common: nothing")
    if len(found.orders):
        print_rich(frame_table(found.orders))
