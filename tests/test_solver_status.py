"""What a solve says of its answer, and a plan's way to its folder and back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from toy import plant, solved, toy
from typer.testing import CliRunner

from optimizer import highs, read_instance, read_plan, solve
from optimizer.check import CheckError
from optimizer.cli import app
from optimizer.instance import Instance
from optimizer.model.build import build
from optimizer.model.matrix import compile_matrix
from optimizer.plan import TABLES, Plan, PlanError
from optimizer.solve import Infeasible, Interrupted, NoIncumbent, SolverFailure
from optimizer.synthetic import synthetic

INSTANCES = Path(__file__).parents[1] / "instances"


@pytest.fixture(scope="module")
def one_site() -> Instance:
    return read_instance(INSTANCES / "one-site")


@pytest.fixture(scope="module")
def lumpy() -> Instance:
    """Three sites, two years: the relaxation is below the optimum, so that there is a gap to close."""
    return synthetic(3, 2, 24)


@pytest.fixture(scope="module")
def plan(one_site: Instance) -> Plan:
    return solve(one_site, gap=0.0)


# status


def test_optimal_means_that_the_gap_is_closed(plan: Plan) -> None:
    assert plan.status == "optimal"
    assert plan.gap <= highs.CLOSED_GAP
    assert plan.bound_usd <= plan.objective_usd * (1 + 1e-9)


def test_within_gap_is_another_word_and_says_how_far(lumpy: Instance) -> None:
    plan = solve(lumpy, gap=0.2)
    assert plan.status == "within gap"
    assert highs.CLOSED_GAP < plan.gap <= 0.2
    assert plan.gap == pytest.approx((plan.objective_usd - plan.bound_usd) / abs(plan.objective_usd))
    best = solve(lumpy, gap=0.0)
    assert plan.bound_usd <= best.objective_usd * (1 + 1e-6)
    assert best.objective_usd <= plan.objective_usd * (1 + 1e-6)


def test_a_limit_that_cannot_be_kept_is_infeasible() -> None:
    # 100 MW of load, all to be served, behind 50 MW
    with pytest.raises(Infeasible, match="no plan meets all limits"):
        solve(toy(site={"existing_poi_mw": 50.0}))


def test_a_row_that_cannot_hold_is_infeasible_by_either_route() -> None:
    # without POI or plant the balance of the site has no supply at all
    case = toy(site={"existing_poi_mw": 0.0})
    for templates in (True, False):
        with pytest.raises(Infeasible):
            solve(case, templates=templates)


def test_no_time_is_no_incumbent(lumpy: Instance) -> None:
    with pytest.raises(NoIncumbent, match="allow more time"):
        solve(lumpy, time_limit=0.0)


def _stopped(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    """Let HiGHS end as if it had been stopped with what it has, and had to branch for that."""
    monkeypatch.setattr(sys.modules["optimizer.solve"], "first_plan", lambda *_: None)
    run = highs.run

    def stopped(*arguments: Any) -> highs.Answer:
        answer = run(*arguments)
        return highs.Answer(status, answer.x, answer.objective, 0.9 * answer.bound)

    monkeypatch.setattr(highs, "run", stopped)


@pytest.mark.parametrize("status", ["feasible at time limit", "interrupted"])
def test_a_stopped_search_keeps_its_plan_and_is_not_called_solved(
    status: str, one_site: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stopped(monkeypatch, status)
    plan = solve(one_site)
    assert plan.status == status
    assert plan.gap == pytest.approx(0.1, rel=0.01)
    assert plan.manifest["checks"]


def test_interrupt_before_the_first_plan(one_site: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["optimizer.solve"], "first_plan", lambda *_: None)
    monkeypatch.setattr(highs, "run", lambda *_: highs.Answer("interrupted", None, np.nan, -np.inf))
    with pytest.raises(Interrupted, match="nothing was written"):
        solve(one_site)


@pytest.mark.parametrize("method", ["monolithic", "benders"])
@pytest.mark.parametrize("when", ["first plan", "results", "check"])
def test_ctrl_c_costs_no_plan_and_gives_the_handler_back(lumpy: Instance, method: Any, when: str) -> None:
    before = signal.getsignal(signal.SIGINT)
    told: list[float] = []

    def ask(event: dict[str, Any]) -> None:
        if event.get("objective_usd") is not None:
            told.append(event["objective_usd"])
        if event["stage"] == when or (when == "first plan" and told):
            signal.raise_signal(signal.SIGINT)

    plan = solve(lumpy, gap=1e-4 if when == "first plan" else 0.5, progress=ask, method=method)
    assert plan.objective_usd <= min(told) * (1 + 1e-6)
    # the search may have been about to end
    assert plan.status in ({"interrupted", "optimal"} if when == "first plan" else {"within gap", "optimal"})
    assert signal.getsignal(signal.SIGINT) is before


def test_a_first_plan_stands_where_the_search_ends_before_it_took_it_up(
    lumpy: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []

    def ask(event: dict[str, Any]) -> None:
        if event.get("objective_usd") is not None:
            told.append(event["objective_usd"])
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(highs, "set_start", lambda *_: None)
    plan = solve(lumpy, gap=0.0, progress=ask, method="monolithic")
    assert plan.status == "interrupted"
    assert plan.objective_usd == pytest.approx(told[0], rel=1e-6)
    assert plan.bound_usd < plan.objective_usd


def test_solving_outside_the_main_thread(one_site: Instance) -> None:
    found: list[Plan] = []
    thread = threading.Thread(target=lambda: found.append(solve(one_site)))
    thread.start()
    thread.join()
    assert found[0].objective_usd == pytest.approx(132.4084e6, rel=1e-4)


def test_figures_in_the_wrong_unit_are_refused() -> None:
    # a block of a million MW beside one of a tenth of a watt
    case = toy(plant("huge", block_mw=1e6), plant("tiny", block_mw=1e-7))
    with pytest.raises(SolverFailure, match="wrong unit"):
        solve(case)


def test_a_cost_without_lower_bound_is_a_failure(one_site: Instance) -> None:
    matrix = compile_matrix(build(one_site))
    column = int(np.flatnonzero(matrix.objective > 0)[0])
    free = dataclasses.replace(
        matrix,
        lower=np.where(np.arange(len(matrix.lower)) == column, -np.inf, matrix.lower),
        a=sparse.csc_array(matrix.a @ sparse.diags_array(1.0 * (np.arange(len(matrix.lower)) != column))),
    )
    answer = highs.run(highs.hand_off(free, highs.Options()), free, highs.Interrupt())
    assert answer.status == "failed: the cost has no lower bound"


@pytest.fixture
def corrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The solver's answer is 1 % too large everywhere."""
    polish = highs.fix_and_polish

    def one_percent_more(*arguments: Any) -> highs.Answer:
        answer = polish(*arguments)
        assert answer.x is not None
        return highs.Answer(answer.status, 1.01 * answer.x, answer.objective, answer.bound)

    monkeypatch.setattr(highs, "fix_and_polish", one_percent_more)


@pytest.mark.usefixtures("corrupted")
def test_an_answer_that_the_checker_refuses_is_an_error(one_site: Instance) -> None:
    with pytest.raises(CheckError, match="does not hold"):
        solve(one_site)


@pytest.mark.usefixtures("corrupted")
def test_the_instance_of_a_refused_plan_is_kept(tmp_path: Path) -> None:
    source = INSTANCES / "one-site"
    found = CliRunner().invoke(app, ["solve", str(source), "-o", str(tmp_path / "run")])
    assert found.exit_code == 7
    (kept,) = tmp_path.iterdir()
    assert kept.name.startswith("run-refused-")
    assert read_instance(kept).content_hash == read_instance(source).content_hash
    assert "does not hold" in found.output
    assert kept.name in found.output.replace("\n", "")


# the same question, the same answer


@pytest.fixture(scope="module")
def twice(lumpy: Instance) -> tuple[Plan, Plan]:
    """The same question asked twice."""
    return solve(lumpy, threads=1), solve(lumpy, threads=1)


def test_one_thread_gives_identical_tables(twice: tuple[Plan, Plan]) -> None:
    first, second = twice
    for name in TABLES:
        pd.testing.assert_frame_equal(first.tables[name], second.tables[name], check_exact=True)


def test_one_thread_writes_identical_files(twice: tuple[Plan, Plan], tmp_path: Path) -> None:
    """All but the manifest, which says when and how long."""

    def digests(plan: Plan, name: str) -> dict[str, str]:
        folder = plan.save(tmp_path / name)
        files = [file for file in folder.rglob("*") if file.is_file() and file.name != "manifest.json"]
        return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    first, second = digests(twice[0], "first"), digests(twice[1], "second")
    assert len(first) > len(TABLES)
    assert second == first


def test_progress_names_the_stages_in_order(one_site: Instance) -> None:
    stages: list[str] = []
    solve(one_site, progress=lambda event: stages.append(event["stage"]))
    assert list(dict.fromkeys(stages)) == ["build", "hand-off", "solve", "results", "check"]


# folders


def test_a_plan_comes_back_as_it_was_saved(plan: Plan, tmp_path: Path) -> None:
    back = read_plan(plan.save(tmp_path / "run"))
    assert (back.status, back.objective_usd, back.bound_usd, back.gap) == (
        plan.status,
        plan.objective_usd,
        plan.bound_usd,
        plan.gap,
    )
    assert back.instance.content_hash == plan.instance.content_hash
    for name in TABLES:
        pd.testing.assert_frame_equal(back.tables[name], plan.tables[name], check_dtype=False, check_exact=True)


def test_an_empty_folder_may_be_written_and_a_foreign_one_not(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    plan.save(tmp_path / "empty")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="is not a run"):
            plan.save(foreign, overwrite=overwrite)
    assert (foreign / "thesis.txt").read_text() == "mine"


def test_a_run_is_replaced_whole_and_only_on_request(plan: Plan, tmp_path: Path) -> None:
    folder = plan.save(tmp_path / "run")
    (folder / "left over.csv").write_text("old")
    with pytest.raises(FileExistsError, match="holds a run"):
        plan.save(folder)
    plan.save(folder, overwrite=True)
    assert not (folder / "left over.csv").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def _drop_manifest(run: Path) -> None:
    (run / "manifest.json").unlink()


def _cut_manifest(run: Path) -> None:
    file = run / "manifest.json"
    file.write_text(file.read_text()[:100])


def _drop_table(run: Path) -> None:
    (run / "rates.csv").unlink()


def _change_table(run: Path) -> None:
    file = run / "rates.csv"
    file.write_text(file.read_text().replace("homes", "house", 1) + "\n")


def _change_instance(run: Path) -> None:
    file = run / "instance" / "instance.toml"
    file.write_text(file.read_text().replace("discount_rate = ", "discount_rate = 0.00001 # ", 1))


def _strip_status(run: Path) -> None:
    file = run / "manifest.json"
    manifest = json.loads(file.read_text())
    del manifest["status"]
    file.write_text(json.dumps(manifest))


def _list_manifest(run: Path) -> None:
    (run / "manifest.json").write_text("[]")


@pytest.mark.parametrize(
    "damage",
    [_drop_manifest, _cut_manifest, _drop_table, _change_table, _change_instance, _strip_status, _list_manifest],
)
def test_a_damaged_run_is_refused(damage: Callable[[Path], None], plan: Plan, tmp_path: Path) -> None:
    run = plan.save(tmp_path / "run")
    damage(run)
    with pytest.raises(PlanError):
        read_plan(run)


def test_nothing_is_left_where_writing_fails(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(OSError, match="No space left"):
        plan.save(tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_names_that_a_spreadsheet_would_run_come_back_unchanged(tmp_path: Path) -> None:
    plan = solved(toy(plant("=1+1", variable_om_usd_per_mwh=10), plant("'quoted", variable_om_usd_per_mwh=10)))
    folder = plan.save(tmp_path / "run")
    assert "\n=1+1" not in (folder / "allocation.csv").read_text()
    assert set(read_plan(folder).allocation["option"]) == {"=1+1", "'quoted"}


@pytest.mark.parametrize("short", ["row_lower", "row_upper", "cost", "lower", "upper"])
def test_a_matrix_and_vectors_of_other_sizes_are_not_handed_off(short: str) -> None:
    matrix = compile_matrix(build(synthetic(1, 1, 4, 1)))
    given = highs.Program.of(matrix)
    wrong = dataclasses.replace(given, **{short: getattr(given, short)[:-1]})
    with pytest.raises(AssertionError):
        highs.hand_off_program(wrong, highs.Options())
