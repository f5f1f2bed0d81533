"""A killed worker of a cluster costs time, and neither a variant of a sweep nor the plan of a decomposition."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from optimizer import solve
from optimizer.benders.remote import Crew
from optimizer.cluster import ClusterError, cluster
from optimizer.sweep import Settings, grid, sweep
from optimizer.synthetic import synthetic

ONE_SITE = Path(__file__).parents[1] / "instances" / "one-site"


@pytest.fixture(scope="module")
def pair(forked: None) -> Iterator[Any]:
    """Client of a cluster of two workers; one that is killed is started again."""
    with cluster(2, None) as client:
        yield client


@pytest.fixture
def victims(pair: Any) -> list[int]:
    """Processes of the workers, once both are there."""
    pair.wait_for_workers(2, timeout=120)
    return list(pair.run(os.getpid).values())


@pytest.mark.parametrize("count", [1, 2])
def test_a_plan_on_a_cluster_is_the_same_without_it(pair: Any, victims: list[int], count: int) -> None:
    instance = synthetic(6, 2, 6, periods=1)
    alone = solve(instance, gap=1e-3, method="monolithic")
    killed: list[int] = []

    def kill(event: dict[str, Any]) -> None:
        if event["stage"] == "solve" and event.get("bound_usd") is not None and not killed:
            killed.extend(victims[:count])
            for victim in killed:
                os.kill(victim, signal.SIGKILL)

    plan = solve(instance, gap=1e-3, workers=2, scheduler=pair.scheduler.address, progress=kill)
    assert killed
    assert plan.manifest["method"] == "benders"
    assert plan.bound_usd <= alone.objective_usd * (1 + 1e-6)
    assert alone.bound_usd <= plan.objective_usd * (1 + 1e-6)


class Sleeper:
    """A client whose workers are all lost until someone waits for one."""

    def __init__(self, comes: bool) -> None:
        self.comes, self.workers = comes, dict[str, None]()
        self.scheduler = SimpleNamespace(address="tcp://here:1")

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        return {"workers": self.workers}

    def wait_for_workers(self, count: int, timeout: float) -> None:
        if not self.comes:
            raise TimeoutError
        self.workers = {"tcp://worker": None}


def test_where_all_workers_are_lost_the_next_is_waited_for() -> None:
    job: Any = SimpleNamespace(search="a search")
    assert Crew(Sleeper(comes=True), [job, job], [1.0, 2.0]).workers == 1
    with pytest.raises(ClusterError, match="has had no worker for 60 s: start some with 'dask worker tcp://here:1'"):
        assert Crew(Sleeper(comes=False), [job, job], [1.0, 2.0]).workers


def test_a_sweep_loses_no_variant(pair: Any, victims: list[int], tmp_path: Path) -> None:
    """Killed when the first variant is told: each worker has others by then."""
    killed: list[int] = []

    def kill(*_: object) -> None:
        if not killed:
            killed.append(victims[0])
            os.kill(victims[0], signal.SIGKILL)

    variants = grid(["fuel_prices.gas.*.usd_per_mmbtu*=0.5,1,2", "finance.discount_rate=0.2,0.25,0.3"])
    address = pair.scheduler.address
    table = sweep(ONE_SITE, variants, tmp_path, settings=Settings(gap=1e-6), scheduler=address, progress=kill)
    assert killed
    assert len(table) == 9
    assert table["status"].eq("optimal").all()
