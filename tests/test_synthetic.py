"""Made-up instances: the same from the same seed, valid, feasible, and as large as asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer import read_instance, solve, synthetic, write_instance
from optimizer.model.build import build
from optimizer.model.matrix import compile_matrix


def test_the_same_seed_gives_the_same_instance() -> None:
    assert synthetic(seed=4) == synthetic(seed=4)
    assert synthetic(seed=4) != synthetic(seed=5)


def test_it_survives_a_folder(tmp_path: Path) -> None:
    instance = synthetic(sites=5, years=2, hours=6, periods=3)
    write_instance(instance, tmp_path / "synthetic")
    assert read_instance(tmp_path / "synthetic") == instance


def test_it_has_what_the_model_knows() -> None:
    instance = synthetic(sites=4)
    modes = {mode for option in instance.funding_options for mode in option.funding_modes.split(";")}
    places = {(bool(o.site), bool(o.zone), bool(o.corridor)) for o in instance.funding_options}
    assert modes == {"own", "contribution", "utility"}
    assert len(places) == 3
    assert {utility.regime for utility in instance.utilities} == {"cost_of_service", "market"}
    assert {site.required for site in instance.sites} == {True, False}
    assert [site.site for site in instance.sites if site.utility is None] == ["site 2"]
    assert instance.price_response and instance.budgets and len(instance.cost_allocators) == 16


@pytest.mark.parametrize(("sites", "years", "seed"), [(1, 1, 0), (2, 2, 1), (3, 3, 2), (4, 2, 3), (6, 1, 4)])
def test_a_plan_exists_and_passes_its_checks(sites: int, years: int, seed: int) -> None:
    # a plan within a wide gap is a plan; solve() raises where there is none, or where a check fails
    plan = solve(synthetic(sites, years, hours=6, periods=2, seed=seed), gap=0.05, threads=1)
    assert plan.gap <= 0.05
    assert plan.tables["compute"]["unmet_mw"].max() == pytest.approx(0, abs=1e-6)


def test_size_grows_with_the_sites() -> None:
    # regions are alike, so the rows of twelve sites are those of four, three times over, less what the portfolio shares
    few, many = (compile_matrix(build(synthetic(n, years=2, hours=6, periods=1))).a for n in (4, 12))
    assert many.shape[0] == pytest.approx(3 * few.shape[0], rel=0.02)
    assert many.nnz == pytest.approx(3 * few.nnz, rel=0.02)


def test_fifty_sites_over_ten_years_are_valid() -> None:
    instance = synthetic(50, 10, hours=168, periods=8)
    assert len(instance.sites) == 50 and len(instance.hourly) == 8 * 168
    assert len(instance.site_years) == 500


@pytest.mark.parametrize("argument", ["sites", "years", "hours", "periods"])
def test_nothing_cannot_be_made(argument: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        synthetic(**{argument: 0})
