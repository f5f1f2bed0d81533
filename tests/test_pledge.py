"""The price of the pledge: two solves, and what their gaps leave open."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from optimizer import apply_overrides, price_of_pledge, read_instance, read_plan, solve
from optimizer.instance import Instance
from optimizer.pledge import with_price

ONE_SITE = Path(__file__).parents[1] / "instances" / "one-site"


@pytest.fixture(scope="module")
def one_site() -> Instance:
    return read_instance(ONE_SITE)


def test_price_of_one_site_as_solved_by_hand(one_site: Instance) -> None:
    # 132.4084 M$ with the pledge and 128.4288 M$ without, from the instance's README
    price = price_of_pledge(solve(one_site, gap=1e-6))
    assert price.usd == pytest.approx(132.4084e6 - 128.4288e6, abs=100)
    assert price.least_usd <= price.usd * (1 + 1e-9) <= price.most_usd * (1 + 2e-9)
    assert price.payers["usd"].sum() > 0
    assert (price.payers["change_cents_per_kwh"] > 0).all()


def test_the_limits_are_those_of_the_two_gaps(one_site: Instance) -> None:
    plan = solve(one_site, gap=1e-6)
    loose = dataclasses.replace(plan, bound_usd=0.99 * plan.objective_usd)
    price = price_of_pledge(loose)
    assert price.least_usd == pytest.approx(max(0.0, 0.99 * plan.objective_usd - price.without.objective_usd))
    assert price.most_usd == pytest.approx(plan.objective_usd - price.without.bound_usd)


def test_the_price_is_kept_with_the_run(one_site: Instance, tmp_path: Path) -> None:
    plan = solve(one_site, gap=1e-6)
    folder = with_price(plan, price_of_pledge(plan)).save(tmp_path / "run")
    kept = read_plan(folder).manifest["price_of_pledge"]
    assert kept["usd"] == pytest.approx(3.9796e6, abs=100)
    assert {"utility", "customer_class", "year", "usd", "change_cents_per_kwh"} == set(kept["payers"][0])


def test_a_plan_without_the_pledge_has_no_price(one_site: Instance) -> None:
    free = solve(apply_overrides(one_site, ["rates.enforce=false"]))
    with pytest.raises(ValueError, match=r"rates\.enforce=false"):
        price_of_pledge(free)
