"""Two-stage plans: a published optimum, closed forms, both methods alike, rates that hold in every future."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from test_cli import within
from toy import plant, toy

from optimizer import read_plan
from optimizer.instance import Instance
from optimizer.problems import InstanceError
from optimizer.solve import Infeasible
from optimizer.sweep import SweepError, Variant, read_scenarios
from optimizer.synthetic import synthetic
from optimizer.uncertainty import TwoStage, two_stage
from optimizer.uncertainty.mean import mean_instance

#: Investment cost and operating cost of four plants, duration of three modes (Louveaux and Smeers' LandS; see
#: tests/equivalence/test_published.py for the source).
LANDS = {"plant 1": (10.0, 40.0), "plant 2": (7.0, 45.0), "plant 3": (16.0, 32.0), "plant 4": (6.0, 55.0)}
HOURS_PER_TENTH = 876.0


def lands() -> Instance:
    """The case at its middle demand: modes of 5, 8 and 10."""
    plants = [
        plant(
            name, block_mw=1.0, max_blocks=100, integer=False, life_years=1, capex_usd_per_kw=1000 * cost,
            variable_om_usd_per_mwh=1e6 * running / 10 / HOURS_PER_TENTH, firm_credit_share=1.0,
        )
        for name, (cost, running) in LANDS.items()
    ]  # fmt: skip
    return toy(
        *plants,
        hours=3,
        it_mw=12.0,
        series={"use": ("utilisation", [5 / 12, 8 / 12, 10 / 12])},
        site={"existing_poi_mw": 0.0, "utilisation_series": "use", "adequacy_margin": 0.0},
        periods=[
            {"resolution": "all", "period": f"h{k}", "start_hour": k, "hours": 1,
             "occurrences_per_year": lasts * HOURS_PER_TENTH}
            for k, lasts in enumerate((4.0, 5.0, 1.0))
        ],
        budgets=[{"scope": "portfolio", "year": 2026, "max_capex_usd": 120e6}],
    )  # fmt: skip


DEMANDS = [
    Variant("low", (f"series.use+={-2 / 12!r}",), 0.3),
    Variant("middle", (), 0.4),
    Variant("high", (f"series.use+={2 / 12!r}",), 0.3),
]


def figure(found: TwoStage, name: str, column: str = "usd") -> float:
    return float(found.summary.set_index("figure").loc[name, column])


def test_the_published_optimum_of_louveaux_and_smeers() -> None:
    found = two_stage(lands(), DEMANDS, gap=0.0)
    assert figure(found, "objective") / 1e6 == pytest.approx(381.8533, abs=1e-4)
    built = found.orders.set_index("option")["blocks"]
    assert built[list(LANDS)].tolist() == pytest.approx([8 / 3, 4, 10 / 3, 2], abs=1e-4)
    assert figure(found, "value of perfect information") > 0
    # the plan for the mean demand has 10 MW, too few for the highest
    assert figure(found, "value of the stochastic solution") == np.inf


def newsvendor(**site: float) -> Instance:
    """Engines at 100 $ a MW and hour bought before it is known whether power costs 50 or 250 $/MWh, 10 MW needed."""
    return toy(
        plant(
            "engine", block_mw=1.0, max_blocks=10, integer=False, life_years=1, capex_usd_per_kw=100 * 8760 / 1000,
        ),
        it_mw=10.0, price=50.0, site={"existing_poi_mw": 20.0, **site}, finance={"discount_rate": 0.0},
    )  # fmt: skip


PRICES = [Variant("cheap", (), 0.6), Variant("dear", ("series.price*=5",), 0.4)]
MWH = 10 * 8760 / 1e6


def test_a_newsvendor_by_hand() -> None:
    """Without engines 0.6 * 50 + 0.4 * 250 = 130 a MWh, with them 100; knowing, 0.6 * 50 + 0.4 * 100 = 70."""
    found = two_stage(newsvendor(), PRICES, gap=0.0)
    assert figure(found, "objective") / 1e6 == pytest.approx(100 * MWH, rel=1e-6)
    assert figure(found, "value of perfect information") / 1e6 == pytest.approx(30 * MWH, rel=1e-6)
    # at the mean price of 130 engines are bought as well: nothing is lost by looking at it
    assert figure(found, "value of the stochastic solution") == pytest.approx(0.0, abs=1.0)
    assert found.scenarios["rates_held"].all()


def test_looking_at_the_mean_can_cost() -> None:
    """At 0.8 * 50 + 0.2 * 250 = 90 no engine is bought, which costs 90; no better plan exists without risk."""
    weights = [Variant("cheap", (), 0.8), Variant("dear", ("series.price*=5",), 0.2)]
    neutral = two_stage(newsvendor(), weights, gap=0.0)
    averse = two_stage(newsvendor(), weights, gap=0.0, beta=1.0, alpha=0.8)
    assert figure(neutral, "objective") / 1e6 == pytest.approx(90 * MWH, rel=1e-6)
    # the worst fifth of futures costs 250 without engines, 100 with them
    assert figure(averse, "objective") / 1e6 == pytest.approx(100 * MWH, rel=1e-6)
    assert figure(averse, "CVaR") / 1e6 == pytest.approx(100 * MWH, rel=1e-6)
    assert figure(neutral, "CVaR") / 1e6 == pytest.approx(250 * MWH, rel=1e-6)
    assert figure(averse, "value of the stochastic solution") / 1e6 == pytest.approx(150 * MWH, rel=1e-6)


def test_equal_futures_are_one() -> None:
    from optimizer import solve

    instance = newsvendor()
    found = two_stage(instance, [Variant("one", ()), Variant("same", ())], gap=0.0)
    assert figure(found, "objective") == pytest.approx(solve(instance).objective_usd, rel=1e-9)
    assert figure(found, "value of perfect information") == pytest.approx(0.0, abs=1.0)


@pytest.mark.parametrize(("seed", "beta"), [(0, 0.5), (3, 0.0)])
def test_by_blocks_the_optimum_is_that_of_the_one_matrix(seed: int, beta: float) -> None:
    instance = synthetic(2, 2, 6, periods=1, seed=seed)
    futures = [
        Variant("base", (), 0.5),
        Variant("dear", ("technologies.*.capex_usd_per_kw*=1.3",), 0.3),
        Variant("more", ("compute_demand.*.it_mw*=1.02", "fuel_prices.*.*.*.usd_per_mmbtu*=1.5"), 0.2),
    ]
    gap = 1e-3
    whole, apart = (
        two_stage(instance, futures, committed_by=2027, beta=beta, alpha=0.7, gap=gap, method=method)
        for method in ("monolithic", "benders")
    )
    for one, other in ((whole, apart), (apart, whole)):
        assert figure(one, "objective", "least_usd") <= figure(other, "objective") * (1 + 1e-6)
    assert figure(apart, "objective") == pytest.approx(figure(whole, "objective"), rel=2 * gap)
    assert figure(whole, "value of perfect information", "most_usd") >= -1


def slipping(*overrides: str) -> TwoStage:
    """An engine of two years' lead time that displaces power at 200 $/MWh from 2028 on, or from 2029 if it slips."""
    instance = toy(
        plant(
            "engine", block_mw=10.0, max_blocks=1, life_years=20, capex_usd_per_kw=300.0, lead_time_years=2.0,
        ),
        years=(2026, 2027, 2028, 2029), it_mw=10.0, price=200.0, site={"existing_poi_mw": 20.0},
    )  # fmt: skip
    return two_stage(instance, [Variant("in time", ()), Variant("late", overrides)], committed_by=2026, gap=0.0)


def test_an_order_that_slips_enters_service_later() -> None:
    found = slipping("technologies.engine.lead_time_years=3")
    assert found.orders[["option", "year", "blocks"]].values.tolist() == [["engine", 2028, 1.0]]
    years = found.funding.set_index("scenario")["year"].to_dict()
    assert years == {"in time": 2028, "late": 2029}


def test_an_order_that_would_come_too_late_is_not_made_in_common() -> None:
    found = slipping("technologies.engine.lead_time_years=9")
    assert not len(found.orders)


def test_rates_hold_in_every_future_unless_a_probability_is_given(tmp_path: Path) -> None:
    futures = [Variant("base", (), 0.5), Variant("dear", ("technologies.*.capex_usd_per_kw*=1.2",), 0.5)]
    strict, loose = (
        two_stage(synthetic(2, 2, 6, periods=1, seed=1), futures, gap=1e-4, rates_probability=probability)
        for probability in (1.0, 0.5)
    )
    assert strict.scenarios["rates_held"].tolist() == [True, True]
    assert sorted(loose.scenarios["rates_held"].tolist()) == [False, True]
    assert figure(loose, "objective", "least_usd") <= figure(strict, "objective") * (1 + 1e-9)
    loose.save(tmp_path)
    for row in loose.scenarios.to_dict("records"):
        kept = read_plan(tmp_path / row["scenario"])
        assert kept.instance.manifest.rates.enforce == row["rates_held"]


def test_the_mean_of_futures() -> None:
    one, other = toy(it_mw=10.0, price=50.0), toy(it_mw=20.0, price=100.0)
    mean = mean_instance([one, other], np.array([0.25, 0.75]))
    assert mean.compute_demand[0].it_mw == 17.5
    assert mean.hourly["price"].tolist() == pytest.approx([87.5] * 4)


@pytest.mark.parametrize(
    ("scenarios", "values", "message"),
    [
        (PRICES[:1], {}, "at least two"),
        ([PRICES[0], PRICES[0]], {}, "same name"),
        ([PRICES[0], Variant("b", ())], {}, "b has none"),
        ([PRICES[0], Variant("b", (), 0.9)], {}, "sum to 1.5"),
        (PRICES, {"beta": 2.0}, "beta is a share"),
        (PRICES, {"alpha": 1.0}, "alpha is a level"),
        (PRICES, {"rates_probability": -0.1}, "probability that rates hold"),
        (PRICES, {"committed_by": 2025}, "2025: toy orders from 2026 (the base year) to 2026 (the last planning year)"),
        (PRICES, {"committed_by": 2027}, "committed by 2027"),
    ],
)
def test_what_cannot_be_used_is_refused(scenarios: list[Variant], values: dict[str, float], message: str) -> None:
    with pytest.raises(SweepError, match=re.escape(message)):
        two_stage(newsvendor(), scenarios, **values)  # type: ignore[arg-type]


def test_a_scenario_that_is_at_fault_is_named(tmp_path: Path) -> None:
    sites = "sites.campus.existing_poi_mw"
    with pytest.raises(InstanceError, match="scenario typo, --set 1"):
        two_stage(newsvendor(), [Variant("fine", ()), Variant("typo", (f"{sites}s=1",))])
    with pytest.raises(Infeasible, match="scenario dark has no plan"):
        two_stage(toy(), [Variant("fine", ()), Variant("dark", (f"{sites}=0",))])


def test_command_line(tmp_path: Path) -> None:
    from optimizer import write_instance

    write_instance(newsvendor(), tmp_path / "case")
    text = '[scenarios.cheap]\nweight = 0.6\n[scenarios.dear]\nset = ["series.price*=5"]\nweight = 0.4\n'
    file = tmp_path / "futures.toml"
    file.write_text(text, encoding="utf-8")
    assert [scenario.weight for scenario in read_scenarios(file)] == [0.6, 0.4] and tomllib.loads(text)
    asked = ("two-stage", tmp_path / "case", "--scenarios", file, "-o", tmp_path / "out")
    code, out, _ = within(*asked)
    assert code == 0
    assert "value of perfect information" in out and "engine" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"summary.csv", "cheap", "dear", "orders.csv"}
    code, _, said = within(*asked)
    assert code == 2 and "not empty" in said
    code, _, said = within(*asked[:-1], tmp_path / "other", "--beta", "7")
    assert code == 2 and "beta is a share" in said
    code, _, said = within(*asked[:-1], tmp_path / "other", "--committed-by", "2050")
    assert code == 2 and "committed by 2050" in said
    assert not (tmp_path / "other").exists()
    code, _, said = within(*asked[:-1], file)
    assert code == 2 and "cannot be written" in said
