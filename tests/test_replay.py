"""Replays: the plan on hours it was not optimised on, checked by the same checker, and forced outages by hand."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from toy import YEAR_HOURS, plant, toy
from typer.testing import CliRunner

from optimizer import Plan, read_instance, read_plan, solve, synthetic
from optimizer.cli import app
from optimizer.instance import Instance, make_instance, write_instance
from optimizer.model.data import Data
from optimizer.periods import time_grid
from optimizer.replay import Draws, outages, replay, solve_until_replay_holds, windows
from optimizer.replay.hours import every_hour
from optimizer.replay.outages import Fleet, Store, _in_service, unserved
from optimizer.replay.refine import with_extreme_period, worst_periods
from optimizer.replay.run import WEEK
from optimizer.replay.weeks import telling_weeks
from optimizer.schema import TABLES
from optimizer.solve import Infeasible

ONE_SITE = Path(__file__).parents[1] / "instances" / "one-site"


def unseen_peak(**values: object) -> Instance:
    """100 MW of IT behind a POI of 60 MW: half used in the hours that are planned for, fully in those that are not."""
    busy = [0.5] * 4 + [1.0] * 4
    return toy(
        plant("engine", capex_usd_per_kw=1000.0, variable_om_usd_per_mwh=100.0, max_blocks=10.0, integer=True),
        hours=8,
        series={"use": ("utilisation", busy)},
        site={"existing_poi_mw": 60.0, "utilisation_series": "use", "availability_target": 0.999},
        periods=[
            {"resolution": "all", "period": "calm", "start_hour": 0, "hours": 4, "occurrences_per_year": YEAR_HOURS / 4}
        ],
        **values,  # type: ignore[arg-type]
    )


def test_plan_on_its_own_hours_replays_to_the_dollar() -> None:
    found = replay(solve(read_instance(ONE_SITE), gap=1e-9))
    assert not found.misses and found.report.ok
    assert found.errors == {"objective": pytest.approx(0, abs=1e-9), "load": 0, "peak_import": 0}
    assert found.replayed.objective_usd == pytest.approx(132_408_400)


def test_market_storage_and_two_regimes_replay_to_the_plan() -> None:
    plan = solve(synthetic(sites=2, years=2, hours=24, periods=2), gap=1e-4)
    found = replay(plan, workers=2)
    assert found.report.ok
    assert found.replayed.objective_usd == pytest.approx(plan.objective_usd, rel=1e-4)
    assert found.years["load_mwh"].to_list() == pytest.approx(found.years["planned_load_mwh"].to_list())


def test_windows_make_a_year_that_the_checker_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores, ramps, bills and rates run on from window to window, and round the year; foresight only helps."""
    plan = solve(synthetic(sites=4, years=1, hours=36, periods=2, seed=3), gap=1e-3)
    at_once = replay(plan).replayed.objective_usd
    monkeypatch.setattr(windows, "CORE_HOURS", 24)
    monkeypatch.setattr(windows, "AHEAD_HOURS", 12)
    monkeypatch.setattr(windows, "SHORTEST_HOURS", 10)
    in_windows = replay(plan)
    assert in_windows.report.ok
    assert at_once <= in_windows.replayed.objective_usd * (1 + 1e-6) <= at_once * 1.05


def test_hours_that_were_not_planned_for_show_what_is_missed() -> None:
    """40 MW are short in half of the year: 40 * 4380 MWh of 75 * 8760."""
    found = replay(solve(unseen_peak(), gap=1e-6))
    year = found.years.iloc[0]
    assert year["unserved_mwh"] == pytest.approx(40 * 4380)
    assert year["availability"] == pytest.approx(1 - 40 * 4380 / (75 * 8760))
    assert [miss.split(",")[0] for miss in found.misses] == ["load served"]
    assert found.errors["load"] == pytest.approx(50 / 75 - 1)
    assert worst_periods(found) == [4]


def test_the_worst_and_a_typical_week_of_a_site_by_hand() -> None:
    """100 MW of load and of wind: on average 50, 40.4 and 60 MW are left by week, 50.1 in the year, 100 in one hour."""
    wind = np.repeat([0.5, 0.6, 0.4], WEEK)
    wind[WEEK + 5] = 0.0
    case = toy(
        plant("wind", {"availability_series": "wind"}, block_mw=100.0, max_blocks=1, capex_usd_per_kw=1.0),
        hours=3 * WEEK,
        series={"wind": ("availability", wind.tolist())},
    )
    hours = telling_weeks(replay(solve(case, gap=1e-6)))
    first = hours.groupby("week")["hour"].agg(["min", "max", "size"])
    assert first.loc["worst"].tolist() == [WEEK, 2 * WEEK - 1, WEEK]
    assert first.loc["typical"].tolist() == [0, WEEK - 1, WEEK]
    worst = hours[hours["week"] == "worst"]
    assert worst["import_mw"].max() == pytest.approx(100.0) and worst["site"].unique().tolist() == ["campus"]


def test_the_worst_week_is_that_with_load_not_served() -> None:
    """A series of 8 hours is one week, its worst: 40 MW short in four of them."""
    hours = telling_weeks(replay(solve(unseen_peak(), gap=1e-6)))
    assert (len(hours), hours["week"].unique().tolist()) == (8, ["worst"])
    assert hours["unserved_mw"].tolist() == pytest.approx([0.0] * 4 + [40.0] * 4)


def test_worst_period_is_added_until_the_replay_holds() -> None:
    history = solve_until_replay_holds(unseen_peak(), rounds=2, gap=1e-6)
    assert [bool(found.misses) for found in history] == [True, False]
    assert history[-1].plan.allocation["mw"].sum() == 40
    assert {row.period: row.occurrences_per_year for row in history[-1].plan.instance.periods} == {
        "calm": 1095,
        "replayed_0004": 1095,
    }


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 130), (Infeasible("none"), 4)])
def test_what_stops_a_later_round_does_not_cost_the_plan(
    stop: BaseException, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = solve(unseen_peak(), gap=1e-6)
    plans = iter([plan])

    def answer(*_: object, **__: object) -> Plan:
        for known in plans:
            return known
        raise stop

    monkeypatch.setattr(sys.modules["optimizer.solve"], "solve", answer)
    write_instance(plan.instance, tmp_path / "case")
    run = CliRunner().invoke(
        app, ["solve", str(tmp_path / "case"), "-o", str(tmp_path / "run"), "--until-replay-holds", "2"]
    )
    assert run.exit_code == code
    assert "Not finished" in run.stderr
    assert read_plan(tmp_path / "run").objective_usd == plan.objective_usd


def test_an_interrupted_round_ends_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = solve(unseen_peak(), gap=1e-6)
    monkeypatch.setattr(
        sys.modules["optimizer.solve"], "solve", lambda *_, **__: dataclasses.replace(plan, status="interrupted")
    )
    monkeypatch.setattr(sys.modules["optimizer.replay.refine"], "replay", None)
    write_instance(plan.instance, tmp_path / "case")
    folders = [str(tmp_path / "case"), "-o", str(tmp_path / "run")]
    run = CliRunner().invoke(app, ["solve", *folders, "--until-replay-holds", "2"])
    assert run.exit_code == 130
    assert read_plan(tmp_path / "run").status == "interrupted"


def test_rounds_are_limited() -> None:
    assert len(solve_until_replay_holds(unseen_peak(), rounds=0, gap=1e-6)) == 1


def test_added_period_takes_the_place_of_the_one_that_stood_for_it() -> None:
    instance = unseen_peak()
    tables = {name: instance.rows(name) for name in TABLES}
    slots = [{"resolution": "all", "slot": slot, "period": "calm"} for slot in range(2)]
    linked = make_instance(instance.manifest, {**tables, "calendar": slots}, instance.hourly)
    refined = with_extreme_period(linked, 4)
    assert [row.period for row in refined.calendar] == ["calm", "replayed_0004"]
    assert [row.occurrences_per_year for row in refined.periods] == [1095, 1095]


def test_a_period_of_a_year_is_billed_month_by_month() -> None:
    grid = time_grid(every_hour(read_instance(ONE_SITE.parent / "stargate-us")))
    assert grid.billing["months"].to_list() == [1.0] * 12
    assert [len(steps) for steps in grid.parts.values()][:3] == [744, 672, 744]
    assert sum(map(len, grid.parts.values())) == YEAR_HOURS


def test_windows_cover_the_year_once() -> None:
    spans = windows.spans(YEAR_HOURS)
    assert sum(core for _, core, _ in spans) == YEAR_HOURS
    assert all(start + hours <= YEAR_HOURS and hours >= core for start, core, hours in spans)


# -- forced outages -----------------------------------------------------------------------------------------


def test_share_of_time_in_service_is_the_rate() -> None:
    draws = Draws(number=400, seed=1, repair_hours=24.0)
    up = _in_service(Fleet(3, 50.0, 0.1), draws, 2000, np.random.default_rng(1))
    assert up.shape == (400, 2000) and up.min() >= 0 and up.max() == 3
    assert up.mean() / 3 == pytest.approx(0.9, abs=0.005)


def test_expected_unserved_energy_of_one_unit_by_hand() -> None:
    """A unit of 100 MW that is out 10 % of the time serves a load of 100 MW: 87 600 MWh and 876 hours a year."""
    island = toy(
        plant("engine", block_mw=100.0, forced_outage_rate=0.1, lead_time_years=0.0),
        hours=500,
        site={"existing_poi_mw": 0.0, "availability_target": 0.8},
        compute={"unserved_usd_per_mwh": 1000.0},
    )
    found = replay(solve(island, gap=1e-6))
    row = outages(found, Draws(number=300, seed=5, repair_hours=10.0)).iloc[0]
    assert abs(row["eue_mwh"] - 87_600) <= 2 * row["eue_half_width_mwh"] < 12_000
    assert row["lolh"] == pytest.approx(row["eue_mwh"] / 100)
    assert row["nines"] == pytest.approx(1, abs=0.1)
    again = outages(found, Draws(number=300, seed=5, repair_hours=10.0)).iloc[0]
    assert again["eue_mwh"] == row["eue_mwh"]


def test_storage_carries_over_an_outage_as_far_as_it_lasts() -> None:
    """10 MW short for four hours; 5 MW and 12 MWh at 0.9 out: 5 + 5 + 0.8 MW given, then empty, then charged again."""
    load, available = np.full(6, 10.0), np.array([[0.0, 0.0, 0.0, 0.0, 14.0, 4.0]])
    short = unserved(load, available, Store(5.0, 12.0, 0.8, 0.9))
    assert short[0] == pytest.approx([5, 5, 9.2, 10, 0, 6 - 4 * 0.8 * 0.9])


@pytest.mark.parametrize("wrong", [{"number": 1}, {"repair_hours": 0.0}, {"circuit_outage_rate": 1.0}])
def test_draws_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="draws must be"):
        Draws(**wrong)  # type: ignore[arg-type]


# -- command line -------------------------------------------------------------------------------------------


def test_replay_is_kept_beside_the_run(tmp_path: Path) -> None:
    run = solve(read_instance(ONE_SITE), gap=1e-6).save(tmp_path / "run")
    answer = CliRunner().invoke(
        app, ["replay", str(run), "--workers", "1", "--outages", "20", "-o", str(tmp_path / "h")]
    )
    assert answer.exit_code == 0, answer.output
    assert "The plan holds on every hour" in answer.stdout and "nines" in answer.stdout
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["replay"]["errors"]["objective"] == pytest.approx(0, abs=1e-9)
    assert {path.name for path in (run / "replay").iterdir()} == {
        *("years.csv", "weeks.csv", "hours.csv", "rates.csv", "outages.csv")
    }
    assert read_plan(run).objective_usd == read_plan(tmp_path / "h").objective_usd


def test_missed_limit_has_its_own_exit_code(tmp_path: Path) -> None:
    write_instance(unseen_peak(), tmp_path / "peak")
    asked = ["solve", str(tmp_path / "peak"), "-o", str(tmp_path / "run"), "--until-replay-holds", "0"]
    answer = CliRunner().invoke(app, asked)
    assert answer.exit_code == 8, answer.output
    held = CliRunner().invoke(app, [*asked[:-1], "2", "--overwrite"])
    assert held.exit_code == 0, held.output
    assert "Round 2" in held.stderr and "holds" in held.stderr
    again = CliRunner().invoke(app, ["replay", str(tmp_path / "run"), "--workers", "1", "--outages", "0", "--json"])
    assert again.exit_code == 0 and json.loads(again.stdout)["misses"] == []


def test_operating_one_year_leaves_the_investments_of_all() -> None:
    data = Data.of(synthetic(sites=1, years=3), (2027,))
    assert data.years == (2026, 2027, 2028) and data.operated == (2027,)
