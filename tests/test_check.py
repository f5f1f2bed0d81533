"""The checker fails when it should: any figure of any table that is changed, and any limit that is tightened.

Figures: a number of a good plan is moved by one per cent or one unit, whichever is more; the check that owns it must
say so. Limits: the plan stays as it is, and the instance it is held against gets a tighter limit.
"""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_instance import small_instance_folder
from toy import asset, plant, toy

from optimizer import apply_overrides, check, read_instance, solve
from optimizer.check import Report
from optimizer.instance import Instance
from optimizer.plan import TABLES, TEXT, Plan

ONE_SITE = Path(__file__).parents[1] / "instances" / "one-site"


def small() -> Instance:
    with tempfile.TemporaryDirectory() as folder:
        return read_instance(small_instance_folder(Path(folder)))


def island() -> Instance:
    """Units of 30 MW with production credits serve a campus without a grid; seven of them for N-1 with a margin."""
    units = plant(
        "units", block_mw=30, max_blocks=20, capex_usd_per_kw=100, life_years=10, firm_credit_share=0.9, wacc=0.05
    )
    credit = [{"technology": "units", "first_year": 2026, "last_year": 2030, "ptc_usd_per_mwh": 5.0, "ptc_years": 3}]
    return toy(
        units,
        site={"existing_poi_mw": 0.0, "adequacy_margin": 0.5, "n_minus_1": True},
        finance={"tax_view": True, "tax_rate": 0.25, "discount_rate": 0.05},
        tax_credits=credit,
    )


CASES = {
    "small": small,
    "one-site": lambda: read_instance(ONE_SITE),
    "island": island,
}


@functools.cache
def plan_of(case: str) -> Plan:
    plan = solve(CASES[case](), gap=1e-6)
    assert check(plan).ok
    return plan


def failed(report: Report) -> set[str]:
    return {finding.name for finding in report.findings}


def changed(plan: Plan, table: str, frame: pd.DataFrame) -> Report:
    return check(dataclasses.replace(plan, tables={**plan.tables, table: frame}))


# -- figures ----------------------------------------------------------------------------------------------

#: The check that owns each figure.
OWNER: dict[str, dict[str, str]] = {
    "allocation": {
        "year": "known_names build_years",
        "blocks": "allocation_mw",
        "mw": "allocation_mw",
        "energy_blocks": "allocation_mwh",
        "mwh": "allocation_mwh",
        "capex_usd": "capex",
    },
    "retirements": {"year": "known_names", "units": "capacity_blocks"},
    "capacity": {"year": "known_names", "blocks": "capacity_blocks", "mw": "capacity_mw", "mwh": "capacity_mwh"},
    "sites": {
        "year": "known_names",
        "open": "opening",
        "it_mw": "load",
        "peak_load_mw": "peak_load",
        "poi_mw": "poi_capacity",
        "load_mwh": "site_energy",
        "unserved_mwh": "site_energy",
        "curtailed_mwh": "site_energy",
        "import_mwh": "site_energy",
        "export_mwh": "site_energy",
    },
    "operation": {
        "year": "known_names",
        "step": "known_names",
        "weight_hours": "weights",
        "load_mw": "load",
        "generation_mw": "site_plant",
        "discharge_mw": "site_plant",
        "charge_mw": "site_plant",
        "import_mw": "site_balance",
        "unserved_mw": "site_balance",
        "curtailed_mw": "site_balance",
        "deferred_mw": "site_balance",
        "export_mw": "site_balance",
        "recovered_mw": "site_balance",
        "backlog_mwh": "backlog",
    },
    "resource_operation": {
        "year": "known_names",
        "step": "known_names",
        "generation_mw": "site_plant generator_output net_purchase",
        "charge_mw": "storage_balance",
        "discharge_mw": "storage_balance",
        "state_of_charge_mwh": "storage_balance",
        "online_blocks": "commitment",
        "started_blocks": "commitment",
    },
    "slot_levels": {"year": "known_names", "slot": "known_names", "level_mwh": "slot_levels"},
    "corridor_operation": {
        "year": "known_names",
        "step": "known_names",
        "forward_mw": "net_purchase",
        "backward_mw": "net_purchase",
    },
    "zone_operation": {
        "year": "known_names",
        "step": "known_names",
        "local_load_mw": "local_load",
        "net_purchase_mw": "net_purchase",
        "price_usd_per_mwh": "price",
        "price_change_usd_per_mwh": "price_change",
        "price_rise_payment_usd_per_hour": "price_rise_payment",
        "matched_clean_mw": "matched_clean",
    },
    "supply_operation": {"year": "known_names", "step": "known_names", "mw": "supply_balance"},
    "compute": {
        "year": "known_names",
        "demand_mw": "compute_demand",
        "energised_mw": "energised_compute",
        "unmet_mw": "cost_unmet_compute_penalty unmet_compute",
    },
    "costs": {"year": "known_names", "usd": "cost_", "present_value_usd": "cost_"},
    "cash_flow": {"calendar_year": "cash_flow", "usd": "cash_flow"},
    "revenue_requirement": {"year": "known_names", "usd": "revenue_requirement"},
    "tariff_bills": {
        "year": "known_names",
        "billing_month": "known_names",
        "months": "billing_demand",
        "metered_peak_mw": "billing_demand",
        "minimum_mw": "billing_demand",
        "billing_demand_mw": "billing_demand",
        "demand_charge_usd": "demand_charges",
    },
    "bills": {
        "year": "known_names",
        "demand_usd": "bills_demand",
        "energy_usd": "bills_energy",
        "fixed_usd": "bills_fixed",
        "contract_usd": "bills_contract",
        "total_usd": "bills_total",
    },
    "network_charges": {"year": "known_names", "coincident_mw": "network_charges", "charge_usd": "network_charges"},
    "rates": {
        "year": "known_names",
        **dict.fromkeys(
            (
                "sales_mwh",
                "without_project_usd_per_mwh",
                "with_project_usd_per_mwh",
                "change_cents_per_kwh",
                "cap_cents_per_kwh",
                "headroom_cents_per_kwh",
                "typical_bill_change_usd_per_month",
            ),
            "class_rates",
        ),
        "binding": "binding",
        **dict.fromkeys(
            (
                "generation_usd",
                "transmission_usd",
                "distribution_usd",
                "fuel_usd",
                "market_energy_usd",
                "market_capacity_usd",
                "bill_credit_usd",
                "network_credit_usd",
                "make_whole_usd",
            ),
            "class_bridge",
        ),
        "local_cost_change_usd": "local_cost_change",
    },
    "make_whole": {"year": "known_names", "usd": "cost_make_whole"},
    "stranding": {
        "exit_year": "known_names",
        "exposure_usd": "stranding_exposure",
        "exit_fee_usd": "stranding_exit_fee",
        "collateral_usd": "cost_collateral_carry",
        "headroom_usd": "stranding_headroom",
    },
    "capacity_obligation": {
        "year": "known_names",
        "obligation_mw": "capacity_obligation",
        "accredited_mw": "capacity_obligation",
        "headroom_mw": "capacity_obligation",
        "bought_mw": "capacity_obligation",
        "price_usd_per_kw_year": "capacity_price",
        "price_change_usd_per_kw_year": "capacity_price",
    },
    "adequacy": {
        "year": "known_names",
        **dict.fromkeys(
            ("peak_load_mw", "required_mw", "firm_mw", "largest_mw", "margin_mw", "n_minus_1_margin_mw"),
            "adequacy_figures",
        ),
    },
    "emissions": {"year": "known_names", "t": "emissions"},
    "credited_energy": {"year": "known_names", "mwh": "credited_energy cost_production_tax_credits"},
}
#: How far a figure is moved at least: beyond what the check of its unit lets pass.
LEAST = {"usd": 1e6, "mwh": 1e5, "t": 1e6, "year": 1, "step": 1000, "slot": 1000, "billing_month": 20}
COLUMNS = [(table, column) for table, columns in OWNER.items() for column in columns]


def test_every_number_of_every_table_has_an_owner() -> None:
    for table, columns in TABLES.items():
        assert set(OWNER[table]) == set(columns) - TEXT, table


def moved(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """The table with its largest figure of a column moved."""
    values = frame[column].to_numpy(float)
    row = int(np.argmax(np.abs(np.nan_to_num(values))))
    unit = next((size for name, size in LEAST.items() if column == name or column.endswith(f"_{name}")), 10.0)
    if column == "binding":
        unit = 1 - 2 * values[row]
    if column == "matched_clean_mw":
        unit = 1e6  # a limit, not an equality
    values = values.copy()
    values[row] += max(unit, 0.01 * abs(values[row])) if unit > 0 else unit
    return frame.assign(**{column: values})


def holding(table: str) -> Plan:
    """A plan that has rows of the table."""
    return next(plan for plan in map(plan_of, CASES) if len(plan.tables[table]))


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda value: value)
def test_a_changed_figure_is_found_by_the_check_that_owns_it(table: str, column: str) -> None:
    plan = holding(table)
    names = failed(changed(plan, table, moved(plan.tables[table], column)))
    owners = OWNER[table][column].split()
    assert any(name.startswith(owner) for name in names for owner in owners), sorted(names)


@pytest.mark.parametrize("table", TABLES)
def test_tables_are_whole(table: str) -> None:
    plan = holding(table)
    frame = plan.tables[table]
    number = next(column for column in reversed(frame.columns) if column not in TEXT)
    broken = frame.assign(**{number: frame[number].astype(float).where(frame.index != 0)})
    assert "finite_numbers" in failed(changed(plan, table, broken))
    assert "unique_keys" in failed(changed(plan, table, pd.concat([frame, frame.iloc[:1]], ignore_index=True)))
    assert "table_columns" in failed(changed(plan, table, frame.drop(columns=number)))


@pytest.mark.parametrize("table", TABLES)
def test_a_lost_row_is_missed(table: str) -> None:
    plan = holding(table)
    frame = plan.tables[table]
    numbers = [column for column in frame.columns if column not in TEXT and not column.endswith(("year", "step"))]
    telling = int(np.argmax(frame[numbers].abs().sum(axis=1).to_numpy()))
    if frame[numbers].iloc[telling].abs().sum() > 1:  # a row that says nothing may be left out
        assert failed(changed(plan, table, frame.drop(index=frame.index[telling]).reset_index(drop=True)))


@pytest.mark.parametrize("table", ["capacity", "resource_operation", "slot_levels", "credited_energy"])
def test_a_resource_in_a_mode_it_is_not_offered_in_is_found(table: str) -> None:
    plan = holding(table)
    frame = plan.tables[table].copy()
    frame.loc[0, "resource"] = f"{plan.instance.funding_options[0].option} [utility]"
    assert "funding_modes" in failed(changed(plan, table, frame))


def test_noise_of_arithmetic_passes() -> None:
    plan = plan_of("small")
    tables = {
        name: frame.assign(**{c: frame[c] * (1 + 1e-10) for c in frame.columns if c.endswith(("_mw", "_usd"))})
        for name, frame in plan.tables.items()
    }
    assert check(dataclasses.replace(plan, tables=tables)).ok


@pytest.mark.parametrize(
    ("figures", "owner"),
    [
        ({"objective_usd": 1.01}, "objective"),
        ({"bound_usd": 1.5}, "bound"),
        ({"gap": np.nan}, "gap"),
        ({"bound_usd": 0.9}, "gap"),
    ],
)
def test_objective_bound_and_gap_belong_together(figures: dict[str, float], owner: str) -> None:
    plan = plan_of("one-site")
    values = {name: factor * max(getattr(plan, name), 1.0) for name, factor in figures.items()}
    assert owner in failed(check(dataclasses.replace(plan, **values)))


@pytest.mark.parametrize(("status", "gap"), [("optimal", 0.01), ("within gap", 0.5), ("splendid", 0.0)])
def test_the_word_for_the_answer_fits_its_gap(status: str, gap: float) -> None:
    plan = plan_of("one-site")
    bound = plan.objective_usd * (1 - gap)
    wrong = dataclasses.replace(plan, status=status, bound_usd=bound, gap=gap)
    assert failed(check(wrong)) == {"status"}


# -- limits -----------------------------------------------------------------------------------------------


def rich() -> Instance:
    """A campus with most that has a limit: engine (ramps, N-1), store, corridor to a clean hill, capacity market."""
    engine = plant(
        "engine", block_mw=30, max_blocks=4, max_blocks_per_year=4, lead_time_years=1, capex_usd_per_kw=50,
        firm_credit_share=1.0, variable_om_usd_per_mwh=40, fuel="gas", heat_rate_mmbtu_per_mwh=1,
    )  # fmt: skip
    store = plant(
        "store", kind="storage", block_mw=10, energy_block_mwh=10, min_duration_hours=1, max_duration_hours=4,
        max_energy_blocks=4, capex_usd_per_kw=1, firm_credit_share=0.5,
    )  # fmt: skip
    sun = plant("sun", zone="valley", block_mw=20, clean=True, availability_series="sun", capex_usd_per_kw=1)
    old = asset("old", units=2, can_retire=True, variable_om_usd_per_mwh=30)
    return toy(
        engine, store, sun, old,
        years=(2027, 2028),
        price=[20, 30, 60, 90],
        series={"sun": ("availability", [0.0, 0.5, 1.0, 0.5])},
        site={
            "existing_poi_mw": 60.0, "adequacy_margin": 0.1, "n_minus_1": True, "firm_poi_share": 0.5,
            "curtailable_share": 0.3, "curtailable_energy_share": 0.2, "curtailment_cost_usd_per_mwh": 5.0,
            "deferrable_share": 0.2, "deferral_window_hours": 2, "smoothing_storage_share": 0.05,
            "availability_target": 0.9,
        },
        zone={"grid_co2_t_per_mwh": 0.4, "capacity_obligation": True, "reserve_margin": 0.1},
        zone_years=[{"zone": "valley", "year": y, "capacity_headroom_mw": 60.0} for y in (2027, 2028)],
        fuels=[{"fuel": "gas", "co2_t_per_mmbtu": 0.1}],
        fuel_prices=[{"fuel": "gas", "zone": "valley", "year": y, "usd_per_mmbtu": 1.0} for y in (2027, 2028)],
        compute={"max_unmet_share": 0.0},
        budgets=[{"scope": "portfolio", "year": 2027, "max_capex_usd": 1e9, "max_cumulative_capex_usd": 1e9}],
        policy=[{"year": y, "co2_cap_t": 1e9, "clean_share_annual": 0.01} for y in (2027, 2028)],
    )  # fmt: skip


def flexible() -> Instance:
    """Three cheap hours and a very dear one: all that can be moved or left out is, and the store runs."""
    store = plant("store", kind="storage", block_mw=10, min_duration_hours=2, max_duration_hours=2)
    return toy(
        store,
        price=[10, 10, 10, 1000],
        series={"use": ("utilisation", [0.8] * 4)},
        site={
            "existing_poi_mw": 200.0,
            "utilisation_series": "use",
            "curtailable_share": 0.3,
            "curtailable_energy_share": 0.02,
            "deferrable_share": 0.2,
            "deferral_window_hours": 2,
            "availability_target": 0.99,
        },
        compute={"unserved_usd_per_mwh": 500.0},
    )


CASES["rich"] = rich
CASES["flexible"] = flexible

#: (case, overrides that tighten one limit below what the plan uses, the check that owns the limit)
TIGHTER: list[tuple[str, list[str], str]] = [
    ("rich", ["sites.campus.existing_poi_mw=10"], "poi_limits"),
    ("rich", ["sites.campus.adequacy_margin=2"], "adequacy"),
    ("rich", ["sites.campus.smoothing_storage_share=0.9"], "smoothing"),
    ("flexible", ["sites.campus.curtailable_share=0.001"], "curtailed"),
    ("flexible", ["sites.campus.curtailable_energy_share=0.0001"], "curtailed"),
    ("flexible", ["sites.campus.deferrable_share=0.001"], "deferred"),
    ("flexible", ["sites.campus.availability_target=1"], "unserved"),
    ("rich", ["funding_options.engine.max_blocks=1", "funding_options.engine.max_blocks_per_year=1"], "build_limits"),
    ("rich", ["technologies.engine.lead_time_years=5"], "build_years"),
    ("rich", ["technologies.engine.ramp_share_per_hour=0.001"], "ramps"),
    ("flexible", ["technologies.store.forced_outage_rate=0.95"], "storage_power"),
    ("rich", ["technologies.store.max_duration_hours=1"], "storage_durations"),
    ("rich", ["zone_years.valley.*.capacity_headroom_mw=0", "zones.valley.reserve_margin=1"], "capacity_shortfall"),
    ("rich", ["policy.*.co2_cap_t=1"], "emissions_cap"),
    ("rich", ["policy.*.clean_share_annual=0.9"], "clean_annual"),
    ("rich", ["policy.*.clean_share_hourly=0.9"], "clean_hourly"),
    ("rich", ["budgets.portfolio[2027].max_capex_usd=1"], "budgets"),
    ("rich", ["budgets.portfolio[2027].max_cumulative_capex_usd=1"], "budgets"),
    ("rich", ["compute_demand.*.it_mw=200"], "compute_demand"),
    ("rich", ["site_years.campus.*.ceiling_mw=50", "site_years.campus.*.floor_mw=0"], "energised_within_ramp"),
    ("island", ["funding_options.units.block_mw=20"], "capacity_mw"),
    ("small", ["supply_blocks.home.hydro.capacity_mw=1"], "supply_capacity"),
]


@pytest.mark.parametrize(("case", "overrides", "owner"), TIGHTER, ids=lambda value: str(value))
def test_a_tighter_limit_is_found_broken(case: str, overrides: list[str], owner: str) -> None:
    plan = plan_of(case)
    tighter = apply_overrides(plan.instance, overrides)
    names = failed(check(dataclasses.replace(plan, instance=tighter)))
    assert owner in names
