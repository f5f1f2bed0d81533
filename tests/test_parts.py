"""Parts of an instance: together they are the whole, and solved one by one or on a cluster they give its optimum."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_instance import small_instance_folder
from toy import plant, toy

from optimizer import apply_overrides, read_instance, solve
from optimizer.benders import parts as parts_module
from optimizer.benders import remote
from optimizer.benders.block import begin_from
from optimizer.benders.join import JoinError, join
from optimizer.cluster import ClusterError, source_of
from optimizer.instance import Instance
from optimizer.model.build import build
from optimizer.model.data import Data
from optimizer.model.matrix import Matrix, compile_matrix
from optimizer.networks import cut_down, networks
from optimizer.solve import Infeasible, Plan
from optimizer.sweep import Variant
from optimizer.synthetic import synthetic
from optimizer.uncertainty import two_stage

STARGATE = Path(__file__).parents[1] / "instances" / "stargate-us"


def small(folder: Path) -> Instance:
    return read_instance(small_instance_folder(folder))


CASES: dict[str, Callable[[Path], Instance]] = {
    "two regions": lambda _: synthetic(6, 2, 6, periods=1),
    "small": small,
    "stargate-us": lambda _: apply_overrides(
        read_instance(STARGATE), ["options.resolution=coarse", "resolutions.coarse.planning_years=[2026, 2028, 2030]"]
    ),
}


def columns(matrix: Matrix) -> dict[tuple[str, Any], int]:
    return {
        (name, key): int(at)
        for name, positions in matrix.names.items()
        for at, key in zip(positions, matrix.keys[name], strict=True)
    }


@pytest.mark.parametrize("name", CASES)
def test_the_parts_together_are_the_whole(name: str, tmp_path: Path) -> None:
    """Every row, bound and cost of the whole, and nothing else, whatever network and year it comes from."""
    instance = CASES[name](tmp_path)
    whole = compile_matrix(build(instance))
    together, _ = join(
        [
            compile_matrix(build(cut_down(instance, places), operated=(year,), portfolio=instance))
            for places in networks(instance)
            for year in Data.of(instance).years
        ]
    )
    known, found = columns(whole), columns(together)
    assert known.keys() == found.keys()
    at = np.array([known[column] for column in found])[np.argsort(list(found.values()))]
    rows = {name: row for row, name in enumerate(whole.row_names)}
    assert rows.keys() == set(together.row_names)
    row_at = np.array([rows[row] for row in together.row_names])
    assert abs(whole.a.tocsr()[row_at][:, at] - together.a).max() == 0
    for field, order in (("row_lower", row_at), ("row_upper", row_at), ("lower", at), ("upper", at), ("integer", at)):
        np.testing.assert_allclose(getattr(whole, field)[order].astype(float), getattr(together, field).astype(float))
    np.testing.assert_allclose(whole.objective[at], together.objective)
    assert whole.cost_offset.sum() == pytest.approx(together.cost_offset.sum())


def test_parts_that_contradict_each_other_are_not_joined() -> None:
    matrix = compile_matrix(build(synthetic(1, 1, 2, periods=1)))
    with pytest.raises(JoinError):
        join([matrix, dataclasses.replace(matrix, upper=matrix.upper + 1.0)])


def test_networks_are_told_apart_by_every_table_that_joins_them() -> None:
    apart = synthetic(8, 1, 2, periods=1)
    assert [len(found) for found in map(sorted_sites, networks(apart))] == [4, 4]
    one, other = (option.option for option in apart.funding_options if option.option in ("site 0 sun", "site 4 sun"))
    rule = {"rule": "requires", "group": "both", "option": one, "requires_option": other}
    from optimizer.instance import make_instance
    from optimizer.schema import TABLES

    tables = {name: list(apart.rows(name)) for name in TABLES} | {"option_rules": [rule]}
    joined = make_instance(apart.manifest, tables, apart.hourly)
    assert [len(found) for found in map(sorted_sites, networks(joined))] == [8]


def sorted_sites(places: frozenset[tuple[str, Any]]) -> list[Any]:
    return sorted(name for table, name in places if table == "sites")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Divide what would otherwise be solved whole."""
    monkeypatch.setattr(parts_module.divide, "__defaults__", (400,))


def agree(one: Plan, other: Plan) -> None:
    for mine, theirs in ((one, other), (other, one)):
        assert mine.bound_usd <= theirs.objective_usd * (1 + 1e-6)


@pytest.mark.parametrize("name", ["two regions", "small"])
def test_part_by_part_the_plan_is_that_of_the_one_matrix(name: str, tmp_path: Path, small_parts: None) -> None:
    instance = CASES[name](tmp_path)
    assert len(parts_module.divide(instance)) > 1
    apart, whole = (solve(instance, gap=1e-3, method=method) for method in ("benders", "monolithic"))
    agree(apart, whole)
    assert apart.manifest["method"] == "benders"
    for figure in ("rows", "integers", "nonzeros", "columns"):
        assert apart.manifest[figure] == pytest.approx(whole.manifest[figure], rel=0.02)


def test_no_plan_is_told_as_one(small_parts: None) -> None:
    island = toy(plant("gas", max_blocks=9), site={"existing_poi_mw": 0.0}, hours=200)
    with pytest.raises(Infeasible, match="explain"):
        solve(apply_overrides(island, ["sites.campus.availability_target=1"]), method="benders")


def test_parts_without_room_are_built_anew_and_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = synthetic(3, 2, 6, periods=1)
    found = parts_module.divide(instance, 200)
    source = source_of(instance, tmp_path)
    said = []
    for room in (10**9, 0):
        resumed: list[int] = []
        monkeypatch.setattr(remote, "ALIVE", room)
        monkeypatch.setattr(
            remote, "begin_from", lambda solvers, bases, to=resumed: to.append(len(bases)) or begin_from(solvers, bases)
        )
        jobs = [remote.Job(f"room for {room}", *source, part, at) for at, part in enumerate(found)]
        points = [master.upper.clip(max=1e3) for master, _ in remote.masters(jobs)]
        floors = remote.floors(jobs)
        first, again = remote.cuts(jobs, points), remote.cuts(jobs, points)
        kept = remote._searches[jobs[0].search].parts
        assert len(kept) == (len(jobs) if room else 0)
        assert len(resumed) == (0 if room else 3 * len(jobs))  # each question after the first goes on from a basis
        remote.forget(jobs[0].search)
        assert jobs[0].search not in remote._searches
        said.append([floors, *([[cut.value for cut in part] for part in cuts] for cuts in (first, again))])
    for one, other in zip(*said, strict=True):
        assert [len(part) for part in one] == [len(part) for part in other]
        np.testing.assert_allclose(np.concatenate(one), np.concatenate(other), rtol=1e-9)


@pytest.mark.usefixtures("forked")
def test_two_stage_on_a_cluster(tmp_path: Path) -> None:
    instance = synthetic(2, 2, 4, periods=1)
    futures = [Variant("base", (), 0.6), Variant("dear", ("fuel_prices.*.*.*.usd_per_mmbtu*=1.5",), 0.4)]
    remote, local = (
        two_stage(instance, futures, committed_by=2027, beta=0.5, alpha=0.5, gap=1e-3, method=method, **where)
        for method, where in (("benders", {"workers": 1, "scheduler": "local"}), ("monolithic", {}))
    )
    one, other = (found.summary.set_index("figure").loc["objective"] for found in (remote, local))
    assert one["least_usd"] <= other["usd"] * (1 + 1e-6)
    assert other["least_usd"] <= one["usd"] * (1 + 1e-6)


def test_one_matrix_is_no_work_for_a_cluster() -> None:
    for call in (solve, lambda case, **how: two_stage(case, [Variant("a", ()), Variant("b", ())], **how)):
        with pytest.raises(ClusterError, match="leave the scheduler out"):
            call(toy(), method="monolithic", scheduler="local")


PARENT = """
import multiprocessing, time
from concurrent.futures import ProcessPoolExecutor
from optimizer.cluster import obey_parent
if __name__ == "__main__":
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=obey_parent)
    pool.submit(time.sleep, 0).result()
    print(*pool._processes, flush=True)
    time.sleep(60)
"""


def test_a_worker_ends_with_its_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    root = str(Path(__file__).parents[1])
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root})
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()
    try:
        parent.communicate(timeout=20)  # its output ends with the last process that may write to it
    except subprocess.TimeoutExpired:
        os.kill(worker, signal.SIGKILL)
        pytest.fail("the worker outlived its parent")
