"""Named changes to an instance: what they change, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optimizer.instance import Instance, InstanceError, read_instance, write_instance
from optimizer.overrides import apply_overrides, parse_override
from optimizer.schema import TABLES
from tests.small_instance import small_instance_folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    return read_instance(small_instance_folder(tmp_path_factory.mktemp("overrides")))


def cell(instance: Instance, table: str, *key: object, column: str) -> object:
    """Cell of the row with this key."""
    (row,) = [row for row in instance.rows(table) if tuple(getattr(row, name) for name in TABLES[table].key) == key]
    return getattr(row, column)


@pytest.mark.parametrize(
    ("text", "table", "key", "column", "value"),
    [
        ("technologies.turbine.capex_usd_per_kw*=1.2", "technologies", ("turbine",), "capex_usd_per_kw", 1320.0),
        ("site_years.Saline[2028].floor_mw=0", "site_years", ("Saline", 2028), "floor_mw", 0.0),
        ("site_years.Saline.2028.floor_mw=0", "site_years", ("Saline", 2028), "floor_mw", 0.0),
        ("site_years[Saline][2028].floor_mw = 7", "site_years", ("Saline", 2028), "floor_mw", 7.0),
        ("compute_demand[2030].it_mw+=1500", "compute_demand", (2030,), "it_mw", 1820.0),
        ("compute_demand[2030].it_mw+=-20", "compute_demand", (2030,), "it_mw", 300.0),
        ("compute_demand[2030].it_mw-=20", "compute_demand", (2030,), "it_mw", 300.0),
        ("technologies.fixed battery.life_years-=2", "technologies", ("fixed battery",), "life_years", 14),
        (
            'technologies."fixed battery".capex_usd_per_kw=1',
            "technologies",
            ("fixed battery",),
            "capex_usd_per_kw",
            1.0,
        ),
        ("technologies.fixed battery.life_years+=2", "technologies", ("fixed battery",), "life_years", 18),
        ("technologies.solar.life_years*=0.5", "technologies", ("solar",), "life_years", 16),
        ("technologies.solar.macrs_years=7", "technologies", ("solar",), "macrs_years", 7),
        ("sites.Lima.export_allowed=true", "sites", ("Lima",), "export_allowed", True),
        ("sites.Lima.required=False", "sites", ("Lima",), "required", False),
        ("sites.Lima.availability_target=", "sites", ("Lima",), "availability_target", 0.999),
        ("budgets.portfolio[2028].max_capex_usd=", "budgets", ("portfolio", 2028), "max_capex_usd", None),
        ("fuel_prices.gas.*.usd_per_mmbtu*=2", "fuel_prices", ("gas", "home", 2030), "usd_per_mmbtu", 8.6),
        ("fuel_prices.*.home.2030.usd_per_mmbtu*=2", "fuel_prices", ("gas", "home", 2030), "usd_per_mmbtu", 8.6),
        ("budgets.*.max_capex_usd*=0.5", "budgets", ("Lima", 2030), "max_capex_usd", None),
        (
            "price_response.pool.300.price_change_usd_per_mwh=2",
            "price_response",
            ("pool", 300.0),
            "price_change_usd_per_mwh",
            2.0,
        ),
        ('sites.Lima.source="a = b, c"', "sites", ("Lima",), "source", "a = b, c"),
        ("zones.pool.max_net_purchase_mw=1e3", "zones", ("pool",), "max_net_purchase_mw", 1000.0),
    ],
)
def test_cells(small: Instance, text: str, table: str, key: tuple[object, ...], column: str, value: object) -> None:
    before = small.content_hash
    changed = apply_overrides(small, [text])
    found = cell(changed, table, *key, column=column)
    assert found == value and type(found) is type(value)
    assert small.content_hash == before
    others = [name for name in TABLES if name != table]
    assert all(changed.rows(name) == small.rows(name) for name in others)


def test_manifest(small: Instance) -> None:
    changed = apply_overrides(
        small,
        [
            "options.resolution=full",
            "rates.enforce=false",
            "finance.discount_rate+=0.01",
            "finance.tax_view=true",
            "finance.capital_view=annuity",
            "compute.max_unmet_share=",
            "resolutions.coarse.step_hours=12",
            "resolutions.*.planning_years=2028",
            'files."sites.csv".source=me',
            "last_year_represents*=2",
        ],
    ).manifest
    assert changed.options.resolution == "full"
    assert changed.rates.enforce is False
    assert changed.finance.discount_rate == pytest.approx(0.06)
    assert changed.finance.tax_view and changed.finance.capital_view == "annuity"
    assert changed.compute.max_unmet_share == 0.0
    assert changed.resolutions["coarse"].step_hours == 12
    assert {resolution.planning_years for resolution in changed.resolutions.values()} == {(2028,)}
    assert changed.files["sites.csv"].source == "me"
    assert changed.last_year_represents == 6
    assert (
        apply_overrides(small, ["resolutions.coarse.planning_years="]).manifest.resolutions["coarse"].planning_years
        is None
    )
    assert apply_overrides(small, ["planning_years=2028, 2030"]) == small


def test_series(small: Instance) -> None:
    changed = apply_overrides(small, ["series.price*=1.5", "series.price+=2", "series.price-=1", "series.sun=0.25"])
    np.testing.assert_allclose(changed.hourly["price"], small.hourly["price"] * 1.5 + 1)
    assert set(changed.hourly["sun"]) == {0.25}
    np.testing.assert_array_equal(changed.hourly["use"], small.hourly["use"])


def test_series_table_stays_a_table(small: Instance) -> None:
    changed = apply_overrides(small, ["series.price.synthetic=false"])
    assert cell(changed, "series", "price", column="synthetic") is False
    assert changed.hourly.equals(small.hourly)


def test_in_order_and_on_disk(small: Instance, tmp_path: Path) -> None:
    changed = apply_overrides(small, ["sites.Lima.existing_poi_mw=10", "sites.Lima.existing_poi_mw*=3"])
    assert changed.sites[0].existing_poi_mw == 30.0
    assert changed.path is None
    write_instance(changed, tmp_path / "changed")
    assert read_instance(tmp_path / "changed") == changed


def test_no_overrides_change_nothing(small: Instance) -> None:
    assert apply_overrides(small, []) == small


def test_several_numbers_to_repair_together(small: Instance) -> None:
    """Each alone would be refused."""
    pair = ["cost_allocators.Wires Co.homes.fuel.share=0.5", "cost_allocators.Wires Co.trade.fuel.share=0.5"]
    assert apply_overrides(small, pair) != small
    with pytest.raises(InstanceError, match="shares of utility Wires Co, pool fuel sum to 1.08"):
        apply_overrides(small, pair[:1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sites.Lima.existing_poi_mw=-3", "sites.Lima.existing_poi_mw = -3: must be >= 0 MW. existing_poi_mw: firm"),
        (
            "sites.Lima.existing_poi_mw*=1e9",
            "sites.Lima.existing_poi_mw = 310 * 1e9: must be <= 1000000 MW. Check the unit",
        ),
        ("sites.Lima.existing_poi_mw+=1e999", "= 310 + 1e999: must be"),
        ("sites.Lima.existing_poi_mw=nan", "must be a finite number (MW)"),
        ("sites.Lima.existing_poi_mw=big", "must be a finite number (MW)"),
        ("sites.Lima.existing_poi_mw*=big", "must be a finite number"),
        ("sites.Lima.existing_poi_mw*=", "must be a finite number"),
        ("sites.Lima.required=perhaps", "must be true or false"),
        ("sites.Lima.required*=2", "*= is for numbers; required is not one"),
        ("sites.Lima.zone+=2", "+= is for numbers; zone is not one"),
        ("technologies.solar.macrs_years*=2", "*= is for numbers"),
        ("technologies.solar.life_years*=0.51", "must give a whole number, gives 16.32"),
        ("technologies.solar.life_years=2.5", "must be a whole number (years)"),
        ("technologies.solar.kind=panel", "must be one of generator, storage, wires"),
        ("technologies.solar.life_years=", "must be filled: it has no default"),
        ("policy[2028].co2_cap_t*=2", "co2_cap_t is blank: there is no number to change"),
        (
            "sits.Lima.required=true",
            "begins with 'sits', which is no table and no entry of instance.toml. Did you mean 'sites'?",
        ),
        ("sites.Lina.required=true", "sites.csv has no such row: site 'Lina'. Did you mean 'Lima'?"),
        ("site_years.Lima[2029].floor_mw=0", "site_years.csv has no such row: year '2029'"),
        ("sites.Lima.requird=true", "'requird' is not a column of sites.csv. Did you mean 'required'?"),
        ("sites.Lima.site=Leema", "site is a key of sites.csv and cannot be changed"),
        ("sites.required=true", "must have the form sites.<site>.<column>"),
        ("sites=true", "must have the form sites.<site>.<column>"),
        ("site_years.Lima.floor_mw=0", "must have the form site_years.<site>.<year>.<column>"),
        ("finance.discount_rat=0.1", "'discount_rat' is not an entry of finance. Did you mean 'discount_rate'?"),
        ("finance.discount_rate=2", "finance.discount_rate = 2: must be < 0.5"),
        ("finance.discount_rate.x=2", "finance.discount_rate has no parts"),
        ("finance=2", "names a section, not an entry. Entries: discount_rate"),
        ("resolutions.coarse=2", "names a section, not an entry"),
        ("resolutions.corse.step_hours=2", "resolutions has no 'corse'. Did you mean 'coarse'?"),
        (
            "resolutions.coarse.step_hours=5",
            "resolutions.coarse.step_hours = 5: does not fit the instance any more: periods.csv row 3",
        ),
        (
            "options.resolution=corse",
            "options.resolution = corse: must be one of the resolutions. Did you mean 'coarse'?",
        ),
        ("planning_years=soon", "must be years separated by commas"),
        ("planning_years*=2", "*= is for numbers"),
        ("planning_years=2030,2028", "planning_years = 2030,2028: must ascend"),
        ("series.pric*=2", "there is no series 'pric'. Did you mean 'price'?"),
        ("series.price*=two", "must be a finite number"),
        (
            "series.sun*=3",
            "series.sun = sun * 3: must be a finite number between 0 and 1 (kind availability); 18 hours are not",
        ),
        ("series.price*=1e999", "must be a finite number between -1000 and 10000"),
        ("sites.Lima.utility=Home Power", "sites.Lima.utility = Home Power: must lie in the site's zone pool"),
        ("site_years.Lima[2028].floor_mw=999", "site_years.Lima[2028].floor_mw = 999: must be <= ceiling_mw 150 MW"),
        (
            "zone_years.home[2030].local_load_factor=50",
            "does not fit the instance any more: supply_blocks.csv: blocks of zone home",
        ),
        ("sites.Lima.required", "has no operator"),
        ("", "has an empty part in its path"),
        ("=3", "has an empty part in its path"),
        ("sites..required=true", "has an empty part in its path"),
        ("sites.Lima.existing_poi_mw-=400", "sites.Lima.existing_poi_mw = 310 - 400: must be >= 0 MW"),
        ("sites.Lima.existing_poi_mw/=3", "has the operator /=. Operators are =, *=, += and -="),
        ('sites."Lima.required=true', "has an unclosed quote"),
        ("site_years.Lima[2028.floor_mw=0", "has a [ without ]"),
        ('sites."Lima"x.required=true', "cannot be read at"),
    ],
)
def test_refused(small: Instance, text: str, words: str) -> None:
    with pytest.raises(InstanceError) as caught:
        apply_overrides(small, [text])
    assert words in str(caught.value)
    assert all(problem.file == "--set 1" for problem in caught.value.problems)


def test_all_problems_in_one_run_with_their_numbers(small: Instance) -> None:
    with pytest.raises(InstanceError) as caught:
        apply_overrides(small, ["sites.Lima.required=true", "sits.x=1", "sites.Lima.zone*=2", "x"])
    assert [problem.file for problem in caught.value.problems] == ["--set 2", "--set 3", "--set 4"]
    with pytest.raises(InstanceError) as caught:
        apply_overrides(small, ["sites.Lima.existing_poi_mw=-1", "finance.inflation=3", "sites.Lima.required=true"])
    assert {problem.file for problem in caught.value.problems} == {"--set 1", "--set 2"}


def test_problems_of_several_overrides_together(small: Instance) -> None:
    with pytest.raises(InstanceError, match="--set 1 to 2: together do not fit the instance: supply_blocks.csv"):
        apply_overrides(small, ["supply_blocks.home.*.capacity_mw=1", "sites.Lima.required=true"])


def test_quoted_star_is_a_name() -> None:
    assert [part.all for part in parse_override('a."*".*.b*=2').parts] == [False, False, True, False]
