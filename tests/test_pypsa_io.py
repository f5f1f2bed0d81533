"""Exchange with PyPSA: round trips, the same optimum on the other side, and refusals."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_instance import small_instance_folder
from test_cli import within
from toy import asset, plant, toy

pytest.importorskip("pypsa", reason="pip install '.[pypsa]'")

import pypsa
from equivalence.random_instance import random_instance

from optimizer import cli, read_instance, solve
from optimizer.instance import Instance, InstanceError, write_instance
from optimizer.overrides import apply_overrides
from optimizer.pypsa_io import (
    Loss,
    MissingSettings,
    from_network,
    read_network,
    read_settings,
    to_network,
    write_network,
)
from optimizer.pypsa_io.carried import CARRIED
from optimizer.pypsa_io.files import quiet
from optimizer.schema import TABLES
from optimizer.solve import Infeasible

ONE_SITE = Path(__file__).parents[1] / "instances" / "one-site"
GAP = 1e-9
#: Losses that leave the optimum as it is.
HARMLESS = ("comes back in MW", "keeps its first and last year only", "no budgets on capital", "no tariffs")
TOLD: dict[str, Any] = {
    "sites": ("campus",),
    "currency": "USD",
    "price_year": 2024,
    "base_year": 2026,
    "discount_rate": 0.05,
    "pue": 1.0,
    "synthetic": True,
    "licence": "CC0-1.0",
    "year": 2030,
}


# Helpers


def optimum(network: Any) -> float:
    with quiet():
        options = {"output_flag": False, "mip_rel_gap": GAP}
        status, why = network.optimize(
            multi_investment_periods=True, solver_name="highs", include_objective_constant=False, **options
        )
    if status != "ok":
        assert "infeasible" in why, why
        return float("inf")
    return float(network.objective)


def least_cost(instance: Instance) -> float:
    try:
        return float(solve(instance, gap=GAP).objective_usd)
    except Infeasible:
        return float("inf")


def exported(instance: Instance, path: Path) -> tuple[Any, list[Loss]]:
    network, losses = to_network(instance)
    write_network(network, path)
    return read_network(path), losses


def imported(network: Any, **told: Any) -> tuple[Instance, list[Loss]]:
    return from_network(network, read_settings(network.meta, told))


def comparable(instance: Instance, table: str) -> pd.DataFrame:
    """What is carried of a table: values in place of the names of series, in the order of the keys."""
    columns = [name for name in TABLES[table].columns() if name in CARRIED[table] and name != "resolution"]
    rows = [{c: cell(instance, c, getattr(row, c)) for c in columns} for row in instance.rows(table)]
    frame = pd.DataFrame([row for row in rows if row.get("price_factor") != 1.0], columns=columns)
    keys = [key for key in TABLES[table].key if key in columns]
    return frame.sort_values(keys).reset_index(drop=True)


def cell(instance: Instance, column: str, value: Any) -> Any:
    if column.endswith("_series") and value is not None:
        return tuple(instance.hourly[value].round(9))
    return float(f"{value:.9g}") if isinstance(value, float) else value


def assert_carried(before: Instance, after: Instance, *left_out: str) -> None:
    for table in CARRIED:
        if table not in ("series", "supply_blocks", *left_out):
            pd.testing.assert_frame_equal(
                comparable(before, table), comparable(after, table), check_dtype=False, obj=table
            )


def rich_case() -> Instance:
    """Two years, two zones, two sites; everything that a network can hold."""
    years = (2026, 2028)
    return toy(
        plant("engine", block_mw=20, max_blocks=10, capex_usd_per_kw=900, variable_om_usd_per_mwh=30, life_years=2,
              forced_outage_rate=0.1, capex_change_per_year=-0.02, max_blocks_per_year=3),
        plant("turbine", block_mw=25, max_blocks=4, capex_usd_per_kw=200, fuel="gas", heat_rate_mmbtu_per_mwh=9,
              life_years=20, fixed_om_usd_per_kw_year=10, variable_om_usd_per_mwh=2, wacc=0.09),
        plant("sun", zone="hill", block_mw=15, max_blocks=4, capex_usd_per_kw=500,
              availability_series="sun", life_years=25, first_year=2028),
        plant("store", kind="storage", block_mw=10, max_blocks=8, capex_usd_per_kw=50, min_duration_hours=2,
              max_duration_hours=2, charge_efficiency=0.9, discharge_efficiency=0.95, self_discharge_per_hour=0.01),
        plant("poi", kind="wires", block_mw=30, max_blocks=2, capex_usd_per_kw=100, life_years=30),
        plant("circuit", kind="wires", corridor="path", block_mw=50, max_blocks=2, capex_usd_per_kw=40, life_years=40),
        asset("old", units=3, variable_om_usd_per_mwh=40.0, last_year=2027),
        asset("old gas", fuel="gas", heat_rate_mmbtu_per_mwh=12.0, zone="hill", last_year=2050),
        asset("island gas", site="island", fuel="gas", heat_rate_mmbtu_per_mwh=11.0, last_year=2053),
        asset("old store", kind="storage", energy_mwh=30.0, min_duration_hours=3, max_duration_hours=3),
        years=years, it_mw=[80, 150], hours=6, price=[20, 40, 100, 120, 30, 60],
        finance={"discount_rate": 0.07, "capital_view": "annuity"},
        manifest={"last_year_represents": 3}, compute={"unserved_usd_per_mwh": 700.0},
        site={"existing_poi_mw": 60, "availability_target": 0.95, "export_allowed": True, "utilisation_series": "use",
              "latitude": 42.0, "longitude": -83.0},
        sites=[{"site": "island", "zone": "hill", "availability_target": 0.9}],
        site_years=[{"site": "island", "year": y, "floor_mw": 5.0, "ceiling_mw": 5.0} for y in years],
        compute_demand=[{"year": 2026, "it_mw": 85.0}, {"year": 2028, "it_mw": 155.0}],
        zones=[{"zone": "hill", "supply": "price", "price_series": "hill price", "max_net_purchase_mw": 70.0}],
        zone_years=[{"zone": "valley", "year": 2028, "price_factor": 1.3}],
        corridors=[{"corridor": "path", "from_zone": "hill", "to_zone": "valley", "existing_mw": 10.0},
                   {"corridor": "lossy", "from_zone": "valley", "to_zone": "hill", "existing_mw": 8.0,
                    "loss_share": 0.04}],
        series={"sun": ("availability", [0.0, 0.3, 0.8, 0.9, 0.2, 0.0]),
                "use": ("utilisation", [0.9, 0.8, 0.7, 0.8, 0.9, 0.6]),
                "hill price": ("price", [10, 30, 50, 90, 20, 15])},
        fuels=[{"fuel": "gas", "co2_t_per_mmbtu": 0.053}],
        fuel_prices=[{"fuel": "gas", "zone": z, "year": y, "usd_per_mmbtu": 5 + 0.1 * (y - 2020)}
                     for z in ("valley", "hill") for y in years],
    )  # fmt: skip


def plain_network() -> Any:
    """A network that knows nothing of this package: one day of a grid with a campus."""
    n = pypsa.Network(name="plain")
    n.set_snapshots(range(24))
    n.snapshot_weightings.loc[:, ["objective", "generators"]] = 365.0
    n.add("Bus", "grid")
    n.add("Bus", "campus")
    n.add("Generator", "market", bus="grid", p_nom=1e4, p_min_pu=-1.0, marginal_cost=50.0, carrier="market")
    n.add("Line", "feed", bus0="grid", bus1="campus", s_nom=60.0, x=0.1)
    n.add("Load", "campus", bus="campus", p_set=100.0)
    cost = {"overnight_cost": 5e5, "discount_rate": 0.05, "lifetime": 20.0}
    n.add("Generator", "engine", bus="campus", p_nom_extendable=True, p_nom_max=200.0, marginal_cost=40.0, **cost)
    return n


def words_of(told: dict[str, Any]) -> list[str]:
    options = {k: v for k, v in told.items() if k not in ("sites", "synthetic")}
    named = [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", str(value))]
    return ["--site", "campus", "--synthetic", *named]


# Round trips and optima


@pytest.fixture(scope="module")
def rich() -> tuple[Instance, Any, list[Loss]]:
    """The rich case, its network as it is written, and what was lost."""
    before = rich_case()
    return before, *to_network(before)


@pytest.mark.parametrize("suffix", [".nc", ""])
def test_round_trip_of_everything_carried(tmp_path: Path, suffix: str, rich: tuple[Instance, Any, list[Loss]]) -> None:
    before, network, losses = rich
    write_network(network, tmp_path / f"network{suffix}")
    after, lost = imported(read_network(tmp_path / f"network{suffix}"))
    assert not lost
    assert {loss.why for loss in losses} == {
        "standing plant keeps its first and last year only (old)",
        "standing plant keeps its first and last year only (old gas)",
        "standing plant keeps its first and last year only (old store)",
        "standing plant keeps its first and last year only (island gas)",
    }
    life = pd.Series({row.technology: row.life_years for row in after.technologies})
    assert life["old"] == 28
    lives = [f"technologies[{name}].life_years={life[name]}" for name in ("old", "old gas", "old store", "island gas")]
    assert_carried(apply_overrides(before, lives), after)


def test_same_optimum_of_everything_carried(tmp_path: Path, rich: tuple[Instance, Any, list[Loss]]) -> None:
    before, network, _ = rich
    write_network(network, tmp_path / "network.nc")
    network = read_network(tmp_path / "network.nc")
    after, _ = imported(network)
    cost = least_cost(before)
    assert np.isfinite(cost)
    assert optimum(network) == pytest.approx(cost, rel=1e-6)
    assert least_cost(after) == pytest.approx(cost, rel=1e-6)


#: A new corridor and a store under a cap on emissions; three years of divisible blocks.
USUAL = (1, 5)
#: ``PYPSA_SEEDS=200 pytest tests/test_pypsa_io.py`` tries more of them.
MORE = [seed for seed in range(int(os.environ.get("PYPSA_SEEDS", "0"))) if not random_instance(seed).utilities]


def drawn(seed: int) -> Instance:
    """A random instance without a utility, with what PyPSA cannot hold made slack."""
    found = random_instance(seed)
    slack = ["finance.capital_view=annuity"]
    slack += ["corridors.*.loss_share=0"] if found.corridors else []
    slack += ["budgets.*.*.max_capex_usd=1e12"] if found.budgets else []
    return apply_overrides(found, slack)


@pytest.mark.parametrize("seed", dict.fromkeys([*MORE, *USUAL]))
def test_random_instances(tmp_path: Path, seed: int) -> None:
    before = drawn(seed)
    network, losses = exported(before, tmp_path / "network.nc")
    after, lost = imported(network)
    assert not lost
    nets_sales = any("credits sales" in loss.why for loss in losses)
    assert nets_sales or all(any(word in loss.why for word in HARMLESS) for loss in losses), losses
    cost = least_cost(before)
    if not nets_sales:
        assert optimum(network) == pytest.approx(cost, rel=1e-6, abs=10.0)
    if not nets_sales or not before.policy:
        assert least_cost(after) == pytest.approx(cost, rel=1e-6, abs=10.0)
    if all(row.integer for row in before.funding_options):
        assert_carried(before, after, "technologies")


def test_emissions_cap_binds_alike() -> None:
    case = {"zone": {"grid_co2_t_per_mwh": 0.4}, "policy": [{"year": 2026, "co2_cap_t": 200_000.0}]}
    engine = plant("engine", capex_usd_per_kw=100, block_mw=20, max_blocks=5, variable_om_usd_per_mwh=80.0)
    before = toy(engine, finance={"capital_view": "annuity"}, **case)
    network, losses = to_network(before)
    assert not losses
    free = least_cost(toy(engine, finance={"capital_view": "annuity"}))
    assert least_cost(before) > free + 1
    assert optimum(network) == pytest.approx(least_cost(before), rel=1e-6)
    assert_carried(before, imported(network)[0])


def test_market_limits() -> None:
    """Three zones with a campus each: the first buys, the second may sell a little too, the third buys as it likes."""
    limits = {
        "valley": {"max_net_purchase_mw": 90.0, "max_net_sale_mw": 0.0},
        "hill": {"max_net_purchase_mw": 80.0, "max_net_sale_mw": 5.0},
        "shore": {"max_net_sale_mw": 0.0},
    }
    others = ("hill", "shore")
    before = toy(
        site={"availability_target": 0.8},
        zone=limits["valley"],
        zones=[{"zone": name, "supply": "price", "price_series": "price", **limits[name]} for name in others],
        sites=[{"site": f"{name} campus", "zone": name, "existing_poi_mw": 100.0, "availability_target": 0.8}
               for name in others],
        site_years=[{"site": f"{name} campus", "year": 2026, "floor_mw": 100.0, "ceiling_mw": 100.0}
                    for name in others],
        compute_demand=[{"year": 2026, "it_mw": 300.0}],
    )  # fmt: skip
    network, _ = to_network(before)
    assert_carried(before, imported(network)[0])
    # 270 MWh at 50 an hour, 30 unserved
    cost = least_cost(before)
    assert cost == pytest.approx(8760 * (270 * 50 + 30 * before.manifest.compute.unserved_usd_per_mwh))
    assert optimum(network) == pytest.approx(cost, rel=1e-6)


def test_cost_with_a_fixed_part() -> None:
    engine = plant("engine", capex_usd_per_kw=800, capex_change_per_year=-0.03, interconnection_usd_per_kw=120.0)
    before = toy(engine, years=(2026, 2028, 2031, 2032), finance={"capital_view": "annuity"})
    after, _ = imported(to_network(before)[0])
    assert_carried(before, after)
    assert after.funding_options[0].interconnection_usd_per_kw == pytest.approx(120.0)
    network = to_network(before)[0]
    network.components["Generator"].static.loc["engine-2028", "overnight_cost"] *= 2
    with pytest.raises(InstanceError, match="one share a year"):
        imported(network)


def test_representative_periods_and_long_steps() -> None:
    periods = [
        {"resolution": "all", "period": "quiet", "start_hour": 0, "hours": 4, "occurrences_per_year": 1000.0},
        {"resolution": "all", "period": "busy", "start_hour": 6, "hours": 2, "occurrences_per_year": 2380.0},
    ]
    price = [10.0, 10.0, 30.0, 30.0, 0.0, 0.0, 90.0, 90.0]
    before = toy(hours=8, price=price, periods=periods, step_hours=2)
    network, losses = to_network(before)
    assert [loss.why for loss in losses] == ["hours outside the periods of the resolution are left out"]
    after, _ = imported(network)
    rows = [(row.period, row.start_hour, row.hours, row.occurrences_per_year) for row in after.periods]
    assert rows == [("quiet", 0, 4, 1000.0), ("busy", 4, 2, 2380.0)]
    assert optimum(network) == pytest.approx(least_cost(before), rel=1e-6)
    assert least_cost(after) == pytest.approx(least_cost(before), rel=1e-6)


ODD = ['a,b "c"', "1e3", "=1+1", "Zürich 東京", "x-2026", "../up", "a/b", "true", "[own]", "<b>", "%s {0}", "it's"]


@pytest.mark.parametrize(("suffix", "names"), [(".nc", [*ODD, "NA", "nan", "007"]), ("", ODD)])
def test_odd_names(tmp_path: Path, suffix: str, names: list[str]) -> None:
    engines = [plant(name, capex_usd_per_kw=float(i), block_mw=1) for i, name in enumerate(names)]
    before = toy(*engines, finance={"capital_view": "annuity"}, site={"export_allowed": True})
    network, _ = exported(before, tmp_path / f"odd, name{suffix}")
    assert_carried(before, imported(network)[0])
    assert len(list(tmp_path.iterdir())) == 1


def test_names_that_csv_files_spoil_are_refused(tmp_path: Path) -> None:
    before = toy(plant("NA", capex_usd_per_kw=100.0))
    with pytest.raises(InstanceError, match="does not survive"):
        exported(before, tmp_path / "folder")
    assert not list(tmp_path.iterdir())


def test_names_that_clash_are_refused() -> None:
    with pytest.raises(InstanceError, match="stands twice"):
        to_network(toy(site={"site": "valley"}, sites=[], site_year={"site": "valley"}))


# What cannot be carried is said


def test_rates_and_modes_are_listed() -> None:
    _, losses = to_network(read_instance(ONE_SITE))
    told = {(loss.component, loss.attribute) for loss in losses}
    for table in ("utilities", "customer_classes", "class_years", "cost_allocators", "tariffs"):
        assert (table, "") in told
    assert {("sites", "tariff"), ("funding_options", "funding_modes"), ("site_years", "contract_mw")} <= told
    assert ("instance.toml", "finance.capital_view") in told


def test_every_filled_table_is_carried_or_listed(tmp_path: Path) -> None:
    instance = read_instance(small_instance_folder(tmp_path))
    network, losses = to_network(instance, "ceiling")
    told = {loss.component for loss in losses}
    silent = {name for name in TABLES if instance.rows(name)} - set(CARRIED) - told
    assert not silent
    assert {"lima battery", "tie circuit"} <= {loss.name for loss in losses}
    assert len(network.components["Generator"].static)


def test_open_load_must_be_said(tmp_path: Path) -> None:
    instance = read_instance(small_instance_folder(tmp_path))
    with pytest.raises(MissingSettings, match="--load floor or --load ceiling"):
        to_network(instance)


# Networks of others


def test_plain_network_becomes_an_instance() -> None:
    network = plain_network()
    instance, losses = imported(network, **TOLD)
    assert [(loss.component, loss.attribute) for loss in losses] == [("Line", "x")]
    option = instance.funding_options[0]
    assert (option.site, option.max_blocks * option.block_mw, option.integer) == ("campus", 200.0, False)
    assert instance.sites[0].existing_poi_mw == 60.0
    assert instance.technologies[0].capex_usd_per_kw == 500.0
    # the same optimum: years are weighed by the discount factor here, by nothing there
    with quiet():
        network.optimize(solver_name="highs", include_objective_constant=False, output_flag=False)
    assert least_cost(instance) == pytest.approx(network.objective * 1.05**-4, rel=1e-6)


def test_a_network_is_not_changed() -> None:
    network = plain_network()
    before = network.copy()
    imported(network, **TOLD)
    assert network.equals(before)


def test_nothing_needed_is_guessed() -> None:
    with pytest.raises(MissingSettings) as refused:
        imported(plain_network())
    for option in ("--site", "--currency", "--price-year", "--base-year", "--discount-rate", "--pue", "--licence"):
        assert option in str(refused.value)
    with pytest.raises(MissingSettings, match="--year"):
        imported(plain_network(), **(TOLD | {"year": None}))


@pytest.mark.parametrize(
    ("component", "name", "attribute", "value", "said"),
    [
        ("Generator", "engine", "p_nom_max", np.inf, "--max-mw"),
        ("Generator", "engine", "lifetime", np.inf, "--life-years"),
        ("Generator", "engine", "lifetime", 20.5, "whole number of years"),
        ("Generator", "engine", "sign", -1.0, "must be 1"),
        ("Generator", "market", "p_min_pu", 0.0, None),
        ("Line", "feed", "bus1", "grid", "must be joined to a zone"),
    ],
)
def test_figures_without_a_counterpart_are_refused(
    component: str, name: str, attribute: str, value: Any, said: str | None
) -> None:
    network = plain_network()
    network.components[component].static.loc[name, attribute] = value
    if said is None:
        instance, losses = imported(network, **TOLD)
        assert instance.zones[0].supply == "none"
        assert any(loss.name == name and "--own" in loss.why for loss in losses)
        return
    with pytest.raises(InstanceError, match=said):
        imported(network, **TOLD)


def test_figures_that_may_be_told() -> None:
    network = plain_network()
    network.components["Generator"].static.loc["engine", ["p_nom_max", "lifetime"]] = np.inf
    instance, losses = imported(network, **TOLD, max_mw=150.0, life_years=30)
    assert instance.funding_options[0].max_blocks == 150.0
    assert instance.technologies[0].life_years == 30
    assert {(loss.attribute, loss.value) for loss in losses} >= {("p_nom_max", "inf"), ("lifetime", "inf")}


def test_a_limit_over_several_places_is_listed() -> None:
    network = plain_network()
    network.add("Generator", "second", bus="grid", p_nom_extendable=True, p_nom_max=9.0, lifetime=9.0, carrier="sun")
    network.add("Generator", "third", bus="campus", p_nom_extendable=True, p_nom_max=9.0, lifetime=9.0, carrier="sun")
    limit = {"type": "tech_capacity_expansion_limit", "sense": "<=", "constant": 10.0}
    network.add("GlobalConstraint", "most sun", carrier_attribute="sun", **limit)
    instance, losses = imported(network, **TOLD)
    assert [row.max_blocks for row in instance.funding_options] == [200.0, 9.0, 9.0]
    assert "most sun" in {loss.name for loss in losses}


def test_weights_that_are_no_year_are_refused() -> None:
    network = plain_network()
    network.snapshot_weightings.loc[:, "objective"] = 1.0
    with pytest.raises(InstanceError, match="must sum to 8760 hours"):
        imported(network, **TOLD)


def test_local_load_needs_a_price() -> None:
    network = plain_network()
    network.components["Generator"].static.loc["market", "p_min_pu"] = 0.0
    network.add("Load", "town", bus="grid", p_set=30.0)
    with pytest.raises(InstanceError, match="--prices-from-solution"):
        imported(network, **TOLD)
    with pytest.raises(InstanceError, match="Solve the network"):
        imported(network, **TOLD, prices_from_solution=True)
    with quiet():
        network.optimize(solver_name="highs", include_objective_constant=False, output_flag=False)
    instance, losses = imported(network, **TOLD, prices_from_solution=True)
    solved = network.components["Bus"].dynamic.marginal_price["grid"]
    assert instance.hourly["grid price"].to_numpy() == pytest.approx(solved.to_numpy())
    assert {"town", "market"} <= {loss.name for loss in losses}


def test_whatever_is_not_understood_is_listed() -> None:
    network = plain_network()
    network.add("Bus", "hub", carrier="H2")
    network.add("Store", "cavern", bus="hub", e_nom=10.0)
    network.add("Link", "electrolyser", bus0="grid", bus1="hub", p_nom=5.0)
    network.add("Generator", "off", bus="campus", p_nom=1.0, active=False)
    network.add("ShuntImpedance", "shunt", bus="grid", b=0.1)
    network.add("GlobalConstraint", "cap", type="primary_energy", sense="==", constant=5.0)
    network.components["Generator"].static.loc["engine", ["p_min_pu", "ramp_limit_up"]] = [0.2, 0.5]
    _, losses = imported(network, **TOLD)
    assert {"hub", "cavern", "electrolyser", "off", "shunt", "cap"} <= {loss.name for loss in losses}
    assert {"p_min_pu", "ramp_limit_up, ramp_limit_down"} <= {loss.attribute for loss in losses}


def test_bad_meta_is_refused() -> None:
    network = plain_network()
    network.meta = {"community_plan_optimizer": {"sites": ["nowhere"], "it_mw": "much", "price_year": "soon"}}
    with pytest.raises(InstanceError, match="price_year"):
        imported(network, **{k: v for k, v in TOLD.items() if k not in ("sites", "price_year")})
    network.meta = {"community_plan_optimizer": {"sites": ["nowhere"]}}
    with pytest.raises(InstanceError, match="must be a bus"):
        imported(network, **{k: v for k, v in TOLD.items() if k != "sites"})


# Command line


def test_commands_round_trip(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing else stands on stdout, whatever libraries print, in C too."""
    write_instance(toy(plant("engine", capex_usd_per_kw=100), finance={"capital_view": "annuity"}), tmp_path / "case")
    network = tmp_path / "network.nc"
    for words in (
        ("export", "pypsa", tmp_path / "case", "-o", network),
        ("import", "pypsa", network, "-o", tmp_path / "back"),
    ):
        assert not cli.app([str(word) for word in words], standalone_mode=False)
        assert capfd.readouterr().out == "Everything was carried\n"
    assert within("validate", tmp_path / "back")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "case", "network.nc"]


def test_losses_are_printed(tmp_path: Path) -> None:
    code, out, _ = within("export", "pypsa", ONE_SITE, "-o", tmp_path / "network")
    assert code == 0 and "customer_classes" in out and "not carried, or not in full" in out


def test_broken_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.nc").write_text("hello")
    (tmp_path / "other.xlsx").write_text("hello")
    (tmp_path / "empty").mkdir()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "buses.csv").write_text("name\n")
    for name in ("missing.nc", "text.nc", "other.xlsx", "empty", "half", "https:"):
        code, _, said = within("import", "pypsa", name, "-o", "out", *words_of(TOLD))
        assert code == 3, (name, said)
        assert "Traceback" not in said and name in said
    assert within("export", "pypsa", "missing", "-o", "out")[0] == 3
    assert not (tmp_path / "out").exists()


def test_truncated_file(tmp_path: Path) -> None:
    write_network(plain_network(), tmp_path / "whole.nc")
    content = (tmp_path / "whole.nc").read_bytes()
    for part in (0, 8, len(content) // 2, len(content) - 100):
        (tmp_path / "part.nc").write_bytes(content[:part])
        with pytest.raises(InstanceError, match="cannot be read"):
            read_network(tmp_path / "part.nc")


def test_nothing_that_exists_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    (tmp_path / "file.nc").write_text("mine")
    write_network(plain_network(), tmp_path / "network.nc")
    for output in ("full", "file.nc"):
        assert within("export", "pypsa", ONE_SITE, "-o", tmp_path / output)[0] == 2
        code, _, said = within("import", "pypsa", tmp_path / "network.nc", "-o", tmp_path / output, *words_of(TOLD))
        assert code == 2 and "exists" in said
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["note.txt"]
    assert (tmp_path / "file.nc").read_text() == "mine"


def test_refusals_leave_nothing(tmp_path: Path) -> None:
    write_network(plain_network(), tmp_path / "network.nc")
    code, _, said = within("import", "pypsa", tmp_path / "network.nc", "-o", tmp_path / "out")
    assert code == 2 and "--site" in said
    bad = words_of(TOLD | {"currency": "EUR"})
    assert within("import", "pypsa", tmp_path / "network.nc", "-o", tmp_path / "out", *bad)[0] == 3
    folder = small_instance_folder(tmp_path)
    code, _, said = within("export", "pypsa", folder, "-o", tmp_path / "out.nc")
    assert code == 2 and "--load" in said
    (tmp_path / "plain").write_text("")
    assert within("export", "pypsa", ONE_SITE, "-o", tmp_path / "plain" / "network.nc")[0] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.nc", "plain", "small"]


def test_a_failing_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = plain_network()

    def fail(path: Path) -> None:
        Path(path).write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(network, "export_to_netcdf", fail)
    with pytest.raises(OSError, match="disk full"):
        write_network(network, tmp_path / "network.nc")
    assert not list(tmp_path.iterdir())


def test_without_pypsa_a_word_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("optimizer.pypsa_io")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pypsa", None)
    code, _, said = within("export", "pypsa", ONE_SITE, "-o", tmp_path / "n.nc")
    assert code == 2 and "pip install 'community-plan-optimizer[pypsa]'" in said
