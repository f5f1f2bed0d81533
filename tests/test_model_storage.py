"""Storage: power and energy, losses, steps, cyclic in its period or carried through the calendar."""

from __future__ import annotations

from typing import Any

import pytest
from toy import Row, asset, blocks, plant, solved, toy

#: Each of the four hours of the toy year stands for 2190.
N = 2190
#: A POI with room for charging beside the load of 100 MW.
ROOM = {"existing_poi_mw": 200.0}
#: Three cheap hours and a dear one.
PRICES = [10.0, 10.0, 10.0, 100.0]


def store(**values: Any) -> tuple[str, Row, Row]:
    """10 MW and 40 MWh, free."""
    usual = {"kind": "storage", "min_duration_hours": 4, "max_duration_hours": 4}
    return plant("store", **(usual | values))


def saving(*plants: tuple[str, Row, Row], price: list[float] | None = None, **case: Any) -> float:
    """What plant saves a campus of 100 MW per round of the hours, US$."""
    prices = price or PRICES
    plan = solved(toy(*plants, price=prices, hours=len(prices), site=ROOM, **case))
    rounds = 8760 / len(prices)
    return 100 * sum(prices) - plan.objective_usd / rounds


def test_storage_moves_energy_to_the_dear_hour() -> None:
    # 10 MWh, bought at 10 and saved at 100 US$/MWh
    assert saving(store()) == pytest.approx(900)


def test_losses_of_charging_and_discharging() -> None:
    # 10 MWh delivered are 20 drawn and 25 charged, within 10 MW in three hours; 5 US$ per MWh discharged
    lossy = store(charge_efficiency=0.8, discharge_efficiency=0.5, variable_om_usd_per_mwh=5)
    assert saving(lossy) == pytest.approx(1000 - 250 - 50)


def test_energy_limits_what_is_stored() -> None:
    # 20 MWh in store give 10 delivered; 10 MWh in store give 5
    short = store(discharge_efficiency=0.5, min_duration_hours=1, max_duration_hours=1)
    assert saving(short) == pytest.approx(500 - 100)


def test_self_discharge_halves_the_store_every_hour() -> None:
    # 10 MW charged in each of the cheap hours: 10, 15, 17.5 MWh, of which 8.75 are left at the end of the dear hour
    assert saving(store(self_discharge_per_hour=0.5)) == pytest.approx(875 - 300)


def test_outages_lower_the_power() -> None:
    assert saving(store(forced_outage_rate=0.2)) == pytest.approx(8 * 90)


def test_charging_and_discharging_share_the_power() -> None:
    # At -100 US$/MWh a lossy store would charge 10 MW and discharge 5 MW at once. Sharing 10 MW, c + d = 10 and
    # d = c / 2: it takes c - d = 10 / 3 MW in every hour.
    lossy = store(discharge_efficiency=0.5)
    assert saving(lossy, price=[-100.0] * 4) == pytest.approx(4 * 100 * 10 / 3)


def test_steps_of_two_hours() -> None:
    # 10 MW over a dear step of two hours is 20 MWh; an hour of storage holds half of it
    prices = [10.0] * 6 + [100.0] * 2
    assert saving(store(), price=prices, step_hours=2) == pytest.approx(20 * 90)
    short = store(min_duration_hours=1, max_duration_hours=1)
    assert saving(short, price=prices, step_hours=2) == pytest.approx(10 * 90)


def test_self_discharge_over_a_step_of_two_hours() -> None:
    # a quarter is left after two hours: 20 MWh in store at the end of each cheap step, 20 * (1 + 1/4 + 1/16) * 1/4
    # = 6.5625 MWh for the dear step; the first charge adds 20 / 64 * 100 = 31 US$ and costs 200, so it pays not,
    # nor does the second (20 / 16 * 100 = 125 US$), but the last does (20 / 4 * 100 = 500 US$)
    prices = [10.0] * 6 + [100.0] * 2
    leaky = store(self_discharge_per_hour=0.5)
    assert saving(leaky, price=prices, step_hours=2) == pytest.approx(500 - 200)


def test_energy_of_an_existing_store() -> None:
    # two units with 12 MWh together: 20 MW could deliver 20 MWh in the dear hour
    old = asset("old", kind="storage", min_duration_hours=1, max_duration_hours=1, units=2, energy_mwh=12)
    assert saving(old) == pytest.approx(12 * 90)


# -- power and energy -------------------------------------------------------------------------------------

#: Two dear hours: 10 MW and 20 MWh save 2 * 10 * 90 * 2190 = 3.942 M$ a year.
TWO_DEAR = [10.0, 10.0, 100.0, 100.0]


@pytest.mark.parametrize(
    ("least", "most", "limit", "net", "energy_blocks"),
    [
        (0, 8, None, 3_942_000 - 1_000_000 - 1_000_000, 2),  # two hours, as the prices ask for
        (4, 8, None, 3_942_000 - 1_000_000 - 2_000_000, 4),  # four hours, as the technology asks for
        (0, 1, None, 1_971_000 - 1_000_000 - 500_000, 1),  # one hour is the most
        (0, 8, 1, 1_971_000 - 1_000_000 - 500_000, 1),  # one energy block is the most
    ],
)
def test_power_and_energy_are_sized_apart(
    least: float, most: float, limit: float | None, net: float, energy_blocks: float
) -> None:
    # 10 MW at 100 US$/kW, blocks of 10 MWh at 50 US$/kWh, lost in the year
    apart = store(
        capex_usd_per_kw=100,
        capex_usd_per_kwh=50,
        life_years=1,
        min_duration_hours=least,
        max_duration_hours=most,
        energy_block_mwh=10,
        max_energy_blocks=limit,
    )
    plan = solved(toy(apart, price=TWO_DEAR, site=ROOM))
    assert 100 * 220 * N - plan.objective_usd == pytest.approx(net)
    assert blocks(plan) == pytest.approx({("store", "own", 2026): 1})
    assert list(plan.allocation["energy_blocks"]) == pytest.approx([energy_blocks])


def test_energy_blocks_are_whole() -> None:
    # 20 MWh are wanted: a block of 15 MWh (0.75 M$) saves 2.95650 M$, two cost 1.5 M$ and save 3.942 M$
    values = {"capex_usd_per_kw": 100, "capex_usd_per_kwh": 50, "life_years": 1, "min_duration_hours": 0}
    whole, any_size = (
        solved(toy(store(**values, energy_block_mwh=15, integer=integer), price=TWO_DEAR, site=ROOM))
        for integer in (True, False)
    )
    bought = 100 * 220 * N
    assert bought - whole.objective_usd == pytest.approx(3_942_000 - 1_000_000 - 1_500_000)
    assert bought - any_size.objective_usd == pytest.approx(3_942_000 - 1_000_000 - 1_000_000)


def test_energy_blocks_serve_over_their_life() -> None:
    # 20 MWh of 2026 serve both years: 1 M$ for 2 * 3.942 M$; with a life of one year they are bought twice
    for life, times in ((2, 1), (1, 2)):
        values = {"min_duration_hours": 0, "energy_block_mwh": 10, "max_blocks": 2, "max_blocks_per_year": 1}
        apart = store(capex_usd_per_kwh=50, life_years=life, max_energy_blocks=2 * times, **values)
        # a second power block is free, but without energy
        plan = solved(toy(apart, years=[2026, 2027], price=TWO_DEAR, site=ROOM))
        assert 2 * 100 * 220 * N - plan.objective_usd == pytest.approx(2 * 3_942_000 - times * 1_000_000)


def test_tied_energy_is_part_of_the_block() -> None:
    # 10 MW * (100 + 4 h * 50 US$/kWh) * 2 + interconnection 10 = 6.1 M$; a tenth of it in the year
    tied = store(capex_usd_per_kw=100, capex_usd_per_kwh=50, capex_factor=2.0, interconnection_usd_per_kw=10)
    plan = solved(toy(tied, price=TWO_DEAR, site=ROOM))
    assert 100 * 220 * N - plan.objective_usd == pytest.approx(3_942_000 - 610_000)


# -- through the calendar ---------------------------------------------------------------------------------


def two_seasons(cheap_slots: int, **values: Any) -> float:
    """Saving per year of cheap slots of two hours at 10 US$/MWh, then a dear slot of two at 100 US$/MWh, US$."""
    slots = ["cheap"] * cheap_slots + ["dear"]
    hours = 2 * len(slots)
    prices = [10.0] * 2 * cheap_slots + [100.0] * 2
    starts = {"cheap": 0, "dear": hours - 2}
    case = toy(
        store(**values),
        hours=hours,
        price=prices,
        site=ROOM,
        periods=[
            {
                "resolution": "all",
                "period": name,
                "start_hour": start,
                "hours": 2,
                "occurrences_per_year": slots.count(name) * 8760 / hours,
            }
            for name, start in starts.items()
        ],
        calendar=[{"resolution": "all", "slot": k, "period": name} for k, name in enumerate(slots)],
    )
    return 100 * sum(prices) * 8760 / hours - solved(case).objective_usd


def test_cyclic_storage_cannot_move_energy_between_periods() -> None:
    assert two_seasons(1, storage_linking="period") == pytest.approx(0, abs=1e-3)


def test_calendar_storage_moves_energy_between_periods() -> None:
    # 2190 rounds of 20 MWh
    assert two_seasons(1, storage_linking="calendar") == pytest.approx(2190 * 20 * 90)


@pytest.mark.parametrize(("duration", "mwh"), [(4, 20), (1, 10), (1.5, 15)])
def test_the_level_between_slots_is_within_the_energy(duration: float, mwh: float) -> None:
    # Two cheap slots that do the same fill the store for one dear slot, 1460 times: 20 MWh at 10 MW, or what it holds.
    found = two_seasons(2, storage_linking="calendar", min_duration_hours=duration, max_duration_hours=duration)
    assert found == pytest.approx(1460 * mwh * 90)


def test_self_discharge_between_slots() -> None:
    # Half is lost in an hour. Cheap slot: 10 MW twice leave 10 / 2 + 10 = 15 MWh. Of them 15 / 4 = 3.75 are left after
    # the dear slot's two hours, and neither its first discharge nor the end may go below: 3.75 MWh, then
    # 3.75 - 3.75 / 2 = 1.875 MWh. Saved: 5.625 * 100 - 20 * 10.
    assert two_seasons(1, storage_linking="calendar", self_discharge_per_hour=0.5) == pytest.approx(2190 * 362.5)
