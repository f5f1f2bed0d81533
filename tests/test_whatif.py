"""What-ifs: fronts, near-optimal plans, tornado and regret against figures known by hand or solved one by one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_cli import within
from toy import plant, toy

from optimizer import InstanceError, apply_overrides, highs, read_instance, read_plan, solve
from optimizer.compare import compare
from optimizer.instance import Instance, write_instance
from optimizer.report.what_if import comparison_figures, front_figure, page, tornado_figure
from optimizer.sweep import Settings, SweepError, Variant
from optimizer.uncertainty import two_stage
from optimizer.whatif.near_optimal import near_optimal
from optimizer.whatif.pareto import not_dominated, pareto_front
from optimizer.whatif.regret import regret_matrix, regret_table
from optimizer.whatif.tornado import tornado_table

ONE_SITE = Path(__file__).parents[1] / "instances" / "one-site"
EXACT = Settings(gap=1e-6)


@pytest.fixture(scope="module")
def one_site() -> Instance:
    return read_instance(ONE_SITE)


# fronts


def test_the_ends_of_the_tolerance_front_are_those_solved_by_hand(one_site: Instance, tmp_path: Path) -> None:
    """instances/one-site/README.md: 132.4084 M$ pledged, 128.4288 M$ free, where residential pays 2.646 M$ more on
    1 TWh at 150 $/MWh, 1.764 % of its rate."""
    front = pareto_front(one_site, "rate tolerance", points=4, gap=1e-6, folder=tmp_path)
    assert front["cost_usd"].iloc[[0, -1]].tolist() == pytest.approx([132_408_400, 128_428_800], rel=1e-6)
    assert front["value"].iloc[[0, -1]].tolist() == pytest.approx([0.0, 0.01764], abs=1e-6)
    assert front["end"].tolist() == ["tight", "", "", "loose"]
    assert front["cost_usd"].is_monotonic_decreasing
    for row in front.itertuples():
        assert read_plan(str(row.run_dir)).objective_usd == pytest.approx(row.cost_usd)


def test_a_point_between_is_the_plan_of_that_tolerance(one_site: Instance) -> None:
    front = pareto_front(one_site, "rate tolerance", points=3, gap=1e-6)
    share = float(front["limit"].iloc[1])
    alone = solve(apply_overrides(one_site, [f"customer_classes.*.rate_tolerance_share={share!r}"]), gap=1e-6)
    assert front["cost_usd"].iloc[1] == pytest.approx(alone.objective_usd, rel=1e-6)


def test_emissions_by_hand() -> None:
    """100 MW for a year, from the market (0.4 t/MWh at 50 $) or from clean plant at 70 $ of which there are 30 MW: the
    tight end buys 70 MW, the loose end 100 MW, and every t between them costs 20 / 0.4 = 50 $."""
    case = toy(
        plant("clean", block_mw=10, max_blocks=3, integer=False, variable_om_usd_per_mwh=70, life_years=1),
        zone={"grid_co2_t_per_mwh": 0.4},
    )
    front = pareto_front(case, "emissions", points=3, gap=1e-9)
    tonnes = [0.4 * 8760 * mw for mw in (70, 85, 100)]
    assert front["value"].tolist() == pytest.approx(tonnes, rel=1e-6)
    assert front["cost_usd"].diff().iloc[1:].tolist() == pytest.approx([-50 * 0.4 * 8760 * 15] * 2, rel=1e-5)


def test_unserved_compute_and_make_whole_have_exact_ends(one_site: Instance) -> None:
    paid = pareto_front(one_site, "make-whole", points=3, gap=1e-6)
    assert paid["value"].iloc[[0, -1]].tolist() == pytest.approx([0.0, 1_639_200], abs=100)
    assert paid["cost_usd"].iloc[-1] == pytest.approx(132_408_400, rel=1e-6)
    served = pareto_front(one_site, "unserved compute", points=2, gap=1e-6)
    assert served["value"].iloc[0] == pytest.approx(0.0, abs=1e-6)


def test_a_search_for_the_least_value_tells_it_and_no_gap(one_site: Instance) -> None:
    """Its bound is 0 until it is over, so that a gap would read 100 % although nothing is wrong."""
    told: list[dict[str, Any]] = []
    pareto_front(one_site, "rate tolerance", points=2, gap=1e-6, progress=told.append)
    values = [event for event in told if event["stage"] == "loose end" and event.get("aim") == "rate tolerance"]
    assert values[-1]["value"] == pytest.approx(0.01764, abs=1e-6) and values[0]["value_bound"] == 0.0
    assert all(event["gap"] is None and "objective_usd" not in event for event in values)
    code, _, said = within("pareto", ONE_SITE, "--points", "2")
    assert code == 0
    assert "least rate tolerance (share of the without-project rate): found 0.01764, none below 0" in said
    assert "100.00 %" not in said


def test_points_that_another_beats_are_left_out() -> None:
    table = pd.DataFrame(
        {"value": [0.0, 1.0, 2.0, 3.0], "cost_usd": [9.0, 7.0, 8.0, 5.0], "end": ["tight", "", "", "loose"]}
    )
    assert not_dominated(table)["value"].tolist() == [0.0, 1.0, 3.0]


# near-optimal plans


def two_equal_plants() -> Instance:
    """40 MW are short and either plant may give them, the second at 1 % more."""
    return toy(
        plant("first", block_mw=10, max_blocks=4, capex_usd_per_kw=1000, life_years=1, variable_om_usd_per_mwh=50),
        plant("second", block_mw=10, max_blocks=4, capex_usd_per_kw=1000, life_years=1, variable_om_usd_per_mwh=50.5),
        site={"existing_poi_mw": 60.0},
    )


def test_near_optimal_by_hand() -> None:
    """All 40 MW of the first cost 60 x 8760 x 50 + 40 x 8760 x 50 + 40 M$ = 83.8 M$; a MW of the second 4,380 $ more:
    within 1 % all of it may be the second, the furthest plan is 80 MW away, and each may be 0 to 40."""
    groups = ("technology", "option")
    found = near_optimal(two_equal_plants(), 0.01, by=("technology",), count=1, ranges=groups, gap=1e-9)
    plans = found.plans.set_index("plan")
    assert plans.loc["least cost", "cost_usd"] == pytest.approx(83.8e6)
    assert plans.loc["technology 1", "distance_mw"] == pytest.approx(80.0)
    assert plans.loc["technology 1", "above_least"] <= 0.01 + 1e-9
    assert found.ranges[["group", "least_mw", "most_mw"]].to_numpy().tolist() == [
        [group, 0.0, 40.0] for group in groups for _ in range(2)
    ]


def test_a_tighter_share_narrows_the_ranges() -> None:
    """0.01 % of 83.8 M$ is 8,380 $: one block of 10 MW of the second costs 43,800 $, so there is none."""
    found = near_optimal(two_equal_plants(), 0.0001, by=(), ranges=("technology",), gap=1e-9)
    assert found.ranges.set_index("name").loc["second", "most_mw"] == pytest.approx(0.0)
    with pytest.raises(ValueError, match="groups are"):
        near_optimal(two_equal_plants(), by=("colour",))


# tornado


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory, one_site: Instance) -> Path:
    """one-site with two drivers."""
    folder = tmp_path_factory.mktemp("driven") / "case"
    write_instance(one_site, folder)
    rows = ["driver,path,change,low,high,unit", "plant,technologies.*.capex_usd_per_kw,*=,0.8,1.3,factor"]
    rows += ["gas,fuel_prices.gas.*.usd_per_mmbtu,*=,0.5,1.5,factor"]
    (folder / "drivers.csv").write_text("\n".join(rows) + "\n")
    with (folder / "instance.toml").open("a") as stream:
        stream.write('\n[files."drivers.csv"]\nsource = "invented"\nlicence = "CC0-1.0"\n')
    return folder


def test_a_tornado_is_its_cases_solved_one_by_one(
    driven: Path, one_site: Instance, tmp_path: Path, standing: str
) -> None:
    table = tornado_table(driven, tmp_path, settings=EXACT, scheduler=standing)
    base = solve(one_site, gap=1e-6).objective_usd
    paths = {"plant": "technologies.*.capex_usd_per_kw", "gas": "fuel_prices.gas.*.usd_per_mmbtu"}
    for row in table.to_dict("records"):
        for end in ("low", "high"):
            alone = solve(apply_overrides(one_site, [f"{paths[row['driver']]}*={row[end]}"]), gap=1e-6)
            assert row[f"{end}_change_usd"] == pytest.approx(alone.objective_usd - base, abs=500)
    assert table["swing_usd"].is_monotonic_decreasing
    assert set(table["driver"]) == {"plant", "gas"}


def test_a_driver_that_cannot_be_applied_is_told_with_its_place(driven: Path, tmp_path: Path) -> None:
    case = tmp_path / "case"
    write_instance(read_instance(driven), case)
    text = (case / "drivers.csv").read_text().replace("fuel_prices.gas", "fuel_prices.coal")
    (case / "drivers.csv").write_text(text)
    with pytest.raises(InstanceError) as caught:
        tornado_table(case)
    (problem,) = caught.value.problems
    assert (problem.file, problem.row, problem.column) == ("drivers.csv", 3, "path")
    (case / "drivers.csv").write_text(text.replace("0.8,1.3", "1.3,0.8"))
    with pytest.raises(InstanceError, match="must lie below high"):
        read_instance(case)
    with pytest.raises(InstanceError, match="holds no drivers"):
        tornado_table(ONE_SITE)


# regret


def test_regret_is_the_first_stage_kept_and_the_rest_decided_anew(
    one_site: Instance, tmp_path: Path, standing: str
) -> None:
    scenarios = [Variant("base", ()), Variant("dear gas", ("fuel_prices.gas.*.usd_per_mmbtu*=3",))]
    table = regret_table(one_site, scenarios, tmp_path, settings=EXACT, scheduler=standing)
    table = table.set_index(["plan", "scenario"])
    for name in ("base", "dear gas"):
        assert table.loc[(name, name), "regret_usd"] == pytest.approx(0.0, abs=200)
    kept = table.loc[("base", "dear gas")]
    assert kept["cost_usd"] >= table.loc[("dear gas", "dear gas"), "cost_usd"] - 200
    plan, own = read_plan(str(kept["run_dir"])), read_plan(tmp_path / "base")
    ordered = [run.allocation.query("year == 2026")[["option", "mw"]].to_numpy().tolist() for run in (plan, own)]
    assert ordered[0] == ordered[1]
    matrix = regret_matrix(table.reset_index())
    assert matrix["largest_usd"].is_monotonic_increasing


# the command line and the charts


def test_commands_print_keep_and_draw(driven: Path, tmp_path: Path, standing: str) -> None:
    there = ("--scheduler", standing)
    code, out, _ = within("tornado", driven, "-o", tmp_path / "t", "--plot", tmp_path / "t.html", *there)
    assert code == 0 and "swing, M$" in out
    assert (tmp_path / "t" / "tornado.csv").is_file() and (tmp_path / "t.html").stat().st_size > 1e6
    code, out, _ = within("pareto", ONE_SITE, "--points", "2", "--json")
    assert code == 0 and len(json.loads(out)["table"]) == 2
    code, out, _ = within("alternatives", ONE_SITE, "--by", "technology", "--count", "1", "-o", tmp_path / "a")
    assert code == 0 and "technology 1" in out
    assert (tmp_path / "a" / "alternatives-funding.csv").is_file()
    scenarios = tmp_path / "scenarios.toml"
    scenarios.write_text('[scenarios.base]\nset = []\n[scenarios.gas]\nset = ["fuel_prices.gas.*.usd_per_mmbtu*=2"]\n')
    # on a cluster of its own
    code, out, _ = within("regret", ONE_SITE, "--scenarios", scenarios, "-o", tmp_path / "r", "--workers", 1)
    assert code == 0 and "largest" in out
    code, _, _ = within("compare", tmp_path / "r" / "base", tmp_path / "r" / "gas", "--plot", tmp_path / "c.html")
    assert code == 0 and (tmp_path / "c.html").is_file()


def test_wrong_questions_are_told_as_such() -> None:
    code, _, err = within("pareto", ONE_SITE, "--against", "love")
    assert code == 2 and "rate tolerance, emissions" in err
    code, _, err = within("alternatives", ONE_SITE, "--by", "colour")
    assert code == 2 and "groups are" in err
    code, _, err = within("tornado", ONE_SITE)
    assert code == 3 and "drivers.csv" in err


@pytest.mark.parametrize(
    "command", [("pareto",), ("alternatives",), ("regret", "--scenarios", "x"), ("sweep", "--grid", "a.b=1")]
)
def test_a_folder_that_cannot_be_used_is_refused_before_anything_is_solved(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    code, _, said = within(command[0], tmp_path / "no instance", *command[1:], "-o", file)
    assert code == 2 and "cannot be written: Not a directory; choose another -o" in said
    if command[0] in ("pareto", "alternatives"):  # the others go on where they stopped
        code, _, said = within(command[0], tmp_path / "no instance", *command[1:], "-o", tmp_path)
        assert code == 2 and "is not empty" in said


def test_a_scenario_named_as_a_run_of_others_is_refused(one_site: Instance, tmp_path: Path) -> None:
    named = [Variant(name, ()) for name in ("a", "b", "a-under-b")]
    with pytest.raises(SweepError, match="scenario a-under-b has the name"):
        regret_table(one_site, named, tmp_path)


@pytest.mark.parametrize("year", [2025, 2029])
def test_a_year_in_which_nothing_is_left_to_decide_is_refused(year: int, one_site: Instance, tmp_path: Path) -> None:
    with pytest.raises(SweepError, match=rf"committed by {year}: .* from 2026 .*to 2028 .*say a year"):
        regret_table(one_site, [Variant("a", ()), Variant("b", ())], tmp_path, committed_by=year)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "ask",
    [
        lambda case: pareto_front(case, "rate tolerance", points=2),
        near_optimal,
        lambda case: two_stage(case, [Variant("a", ()), Variant("b", ())]),
    ],
)
def test_interrupted_all_searches_end(
    ask: Callable[[Instance], object], one_site: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a search that was done all the same took the request with it, and the next one began
    monkeypatch.setattr(highs, "watch", lambda solver, interrupt, progress=None: setattr(interrupt, "asked", True))
    with pytest.raises(KeyboardInterrupt):
        ask(one_site)
    with highs.Interrupt(asked=True).listening():  # one search keeps what it found
        pass


def test_a_scenario_without_a_plan_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "scenarios.toml"
    file.write_text("[scenarios.base]\n[scenarios.typo]\n", encoding="utf-8")
    own = [("base", "base", "optimal", 1.0, 0.0, ""), ("typo", "typo", "bad data", np.nan, np.nan, "no such column")]
    table = pd.DataFrame(own, columns=["plan", "scenario", "status", "cost_usd", "regret_usd", "message"])
    monkeypatch.setattr("optimizer.whatif.regret.regret_table", lambda *_, **__: table)
    code, _, said = within("regret", ONE_SITE, "--scenarios", file, "-o", tmp_path / "out")
    assert code == 7
    assert "typo has no plan of its own and is left out: no such column" in said


def test_charts_carry_the_figures_of_their_tables(one_site: Instance) -> None:
    front = pareto_front(one_site, "rate tolerance", points=2, gap=1e-6)
    assert list(front_figure(front).data[0].y) == pytest.approx((front["cost_usd"] / 1e6).tolist())
    swings = pd.DataFrame(
        {"driver": ["<b>gas</b>"], "low": [0.5], "high": [2.0], "low_change_usd": [-1e6], "high_change_usd": [3e6],
         "swing_usd": [4e6]}
    )  # fmt: skip
    drawn = tornado_figure(swings)
    assert [bar.x[0] for bar in drawn.data] == [-1.0, 3.0]
    assert "<b>gas" not in page("x", [drawn]).split("plotly.js")[-1].replace("\\u003cb\\u003e", "")
    plans = {
        "one": solve(one_site, gap=1e-6),
        "free": solve(apply_overrides(one_site, ["rates.enforce=false"]), gap=1e-6),
    }
    funding, costs, rates = comparison_figures(compare(plans), list(plans))
    assert len(funding.data) == len(costs.data) == len(rates.data) == 2
    assert list(rates.data[1].x) == pytest.approx(compare(plans).rates["free"].tolist())
