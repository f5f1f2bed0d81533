"""Explanations: the least that must give way, and what a unit of each limit is worth, by hand and by small change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_cli import within
from toy import plant, solved, toy
from typer.testing import CliRunner

from optimizer import apply_overrides, read_instance, solve
from optimizer.cli import app
from optimizer.explain import explain_infeasible, marginal_values, runner_up
from optimizer.instance import Instance, write_instance

ONE_SITE = Path(__file__).parents[1] / "instances" / "one-site"
#: 100 MW of load behind 50 MW of POI.
SHORT: dict[str, Any] = {"existing_poi_mw": 50.0}


def engine(**values: Any) -> Any:
    return plant("engine", **({"block_mw": 10, "max_blocks": 2} | values))


CASES: dict[str, tuple[Instance, str, float]] = {
    # instance, family that gives way, amount by hand
    "POI": (toy(site=SHORT), "POI", 50),
    "POI beside plant": (toy(engine(), site=SHORT), "POI", 30),
    "compute at a site without a grid": (toy(site={"existing_poi_mw": 0.0}), "compute", 100),
    "compute that finds no site": (
        toy(compute_demand=[{"year": 2026, "it_mw": 140.0}], compute={"max_unmet_share": 0.0}), "compute", 40,
    ),
    "build limits": (toy(engine(), site={"existing_poi_mw": 0.0}), "build limits", 80),
    "budget": (
        toy(
            engine(max_blocks=10, capex_usd_per_kw=1000), site=SHORT,
            budgets=[{"scope": "portfolio", "year": 2026, "max_capex_usd": 30e6}],
        ), "budget", 20,  # five blocks of 10 M$ are needed
    ),
    "adequacy": (toy(site={"adequacy_margin": 0.2, "firm_poi_share": 0.5}), "adequacy", 70),
    "carbon": (
        toy(zone={"grid_co2_t_per_mwh": 0.5}, policy=[{"year": 2026, "co2_cap_t": 338_000.0}]), "carbon", 100,
    ),
    "clean energy": (toy(policy=[{"year": 2026, "clean_share_annual": 0.25}]), "clean energy", 219),
    "rates": (
        # the market costs the utility 43.8 M$ a year, and it has no bill but 40 US$/MWh
        toy(
            utility={"make_whole_allowed": False}, tariff={"energy_usd_per_mwh": 40.0},
            classes={"homes": {"bill_credit_share": 1.0}},
        ),
        "rates", 8.76,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_least_that_must_give_way(name: str) -> None:
    instance, family, amount = CASES[name]
    found = explain_infeasible(instance)
    assert not found.feasible
    assert list(found.relaxations["family"]) == [family]
    assert found.relaxations["amount"].sum() == pytest.approx(amount, rel=1e-3)
    assert family in set(found.conflict["family"])
    assert len(found.conflict) < 10  # families by place and year, never hourly rows


def test_the_relaxation_found_makes_the_instance_solvable() -> None:
    instance, _, amount = CASES["POI beside plant"]
    solve(apply_overrides(instance, [f"sites.campus.existing_poi_mw+={amount}"]))


def test_words_name_what_can_be_there_by_then() -> None:
    text = explain_infeasible(toy(engine(), it_mw=100, site=SHORT | {"availability_target": 1.0})).relaxations["text"]
    assert text.str.contains("campus 2026: 30 MW of grid connection").all()
    island = explain_infeasible(toy(engine(first_year=2030), site={"existing_poi_mw": 0.0}))
    assert (
        "100 MW of IT cannot be served: POI 0 MW + 0 MW that can be added by then, plant behind the meter 0 MW"
        in (island.relaxations["text"].iloc[0])
    )


def test_alternatives_do_alone() -> None:
    found = explain_infeasible(CASES["POI beside plant"][0])
    amounts = found.alternatives.set_index("family")["amount"]
    assert amounts["compute"] == pytest.approx(30)
    assert amounts["build limits"] == pytest.approx(30)
    assert amounts["availability"] == pytest.approx(30 * 8760)


def test_whole_blocks_alone_can_be_the_reason() -> None:
    # 15 MW are wanted on an island of blocks of 10 MW that run at 9 MW or more: one gives 10 at most, two 18 at least
    must_run = engine(commitment="integer", min_stable_share=0.9)
    case = toy(must_run, it_mw=15, site={"existing_poi_mw": 0.0})
    found = explain_infeasible(case)
    assert not found.feasible
    assert "whole blocks" in found.note


def test_a_feasible_instance_is_said_to_be_so() -> None:
    assert explain_infeasible(toy()).feasible


def test_a_dollar_under_a_cap_that_make_whole_keeps_is_worth_a_dollar() -> None:
    # residential pays nothing more in 2026 because the sponsor makes it whole; by the instance's README
    values = marginal_values(solve(read_instance(ONE_SITE), gap=1e-6))
    caps = values[values["family"] == "rate cap"].set_index("year")["usd_per_unit"]
    assert caps[2026] == pytest.approx(-1.0)


def test_marginal_value_of_poi_and_demand_by_small_change() -> None:
    # without whole blocks the plan's cost is piecewise linear: a small change gives the dual
    gas = plant("gas", block_mw=100, variable_om_usd_per_mwh=90.0)
    case = toy(gas, site={"existing_poi_mw": 60.0})
    before = solve(case, gap=1e-9)
    values = marginal_values(before).set_index("family")["usd_per_unit"]
    for override, family in (
        ("sites.campus.existing_poi_mw+=1", "POI"),
        ("site_years.campus[2026].ceiling_mw+=1 site_years.campus[2026].floor_mw+=1", "compute at site"),
    ):
        after = solve(apply_overrides(case, override.split()), gap=1e-9)
        assert values[family] == pytest.approx(after.objective_usd - before.objective_usd, rel=1e-6)
    assert values["POI"] == pytest.approx(-(90 - 50) * 8760)


def test_command_line_for_an_instance_without_plan(tmp_path: Path) -> None:
    folder = tmp_path / "short"
    write_instance(CASES["POI beside plant"][0], folder)
    code, out, err = within("explain", folder)
    assert code == 4, err
    assert "30 MW of grid connection are missing" in out
    code, out, _ = within("explain", folder, "--json")
    found = json.loads(out)
    assert code == 4
    assert found["relaxations"][0]["amount"] == pytest.approx(30)


def test_command_line_for_a_run(tmp_path: Path) -> None:
    run = solve(read_instance(ONE_SITE)).save(tmp_path / "run")
    code, out, _ = within("explain", run)
    assert code == 0
    assert "conditional on this plan" in out
    code, out, _ = within("explain", run, "--json")
    assert {"family", "place", "year", "unit", "usd_per_unit"} == set(json.loads(out)["marginal_values"][0])
    code, _, err = within("explain", run, "--set", "rates.enforce=false")
    assert code == 2 and "go with an instance" in err


def test_runner_up_by_hand() -> None:
    """Engines of 10 MW cost 1 M$ each net of salvage and save 10 MW of purchases at 50 US$/MWh: 4.38 M$ a year.

    Ten of them are built, so one fewer costs 4.38 - 1 M$; a pricier sort costs 3 M$ for no saving.
    """
    ten = plant("engine", capex_usd_per_kw=1000.0, max_blocks=10.0, integer=True)
    other = plant("pricey", capex_usd_per_kw=3000.0, max_blocks=1.0, integer=True)
    plan = solved(toy(ten, other))
    found = runner_up(plan).set_index(["option", "change_blocks"])
    assert found.loc[("engine", -1), "usd"] == pytest.approx(4.38e6 - 1e6)
    assert found.loc[("pricey", 1), "usd"] == pytest.approx(3e6)
    assert found.loc[("engine", 1), "outcome"].startswith("not possible")
    assert list(runner_up(plan)["usd"].dropna()) == sorted(runner_up(plan)["usd"].dropna())


def test_runner_up_of_a_run_on_the_command_line(tmp_path: Path) -> None:
    run = solved(read_instance(ONE_SITE)).save(tmp_path / "run")
    answer = CliRunner().invoke(app, ["explain", str(run), "--runner-up"])
    assert answer.exit_code == 0, answer.output
    assert "One block more or fewer" in answer.stdout
    assert CliRunner().invoke(app, ["explain", str(ONE_SITE), "--runner-up"]).exit_code == 2
