"""An instance as a PyPSA network.

In the annuity view of capital, without rates, tariffs and the like, ``network.optimize`` of the result (with
``multi_investment_periods=True``) has the optimum of the instance. What else differs is in the list of losses.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from optimizer.instance import Instance
from optimizer.model.data import Data
from optimizer.pypsa_io.carried import table_losses
from optimizer.pypsa_io.draft import Draft
from optimizer.pypsa_io.export_plant import add_plant
from optimizer.pypsa_io.files import pypsa, quiet
from optimizer.pypsa_io.losses import Loss
from optimizer.pypsa_io.settings import MissingSettings
from optimizer.pypsa_io.terms import META, POWER, UNSERVED
from optimizer.schema import Site, SiteYear, Zone

Load = Literal["floor", "ceiling"]


def to_network(instance: Instance, load: Load | None = None) -> tuple[Any, list[Loss]]:
    """Write an instance as a PyPSA network, in the resolution of its options.

    Parameters
    ----------
    load
        Energised IT that a site's load stands for where its floor and ceiling differ.

    Returns
    -------
    network : pypsa.Network
        With one investment period for each planning year.
    losses : list of Loss
        What could not be carried.

    Raises
    ------
    MissingSettings
        When the load is open and ``load`` is not given.
    InstanceError
        When names clash.
    """
    _require_load(instance, load)
    library = pypsa()
    with quiet():
        draft = Draft(library.Network(name=instance.manifest.name), Data.of(instance))
        draft.set_time()
        draft.add_carrier(POWER)
        for zone in instance.zones:
            _add_zone(draft, zone)
        for site in instance.sites:
            _add_site(draft, site, load)
        _add_corridors(draft)
        add_plant(draft)
        _add_caps(draft)
    draft.finish()
    draft.network.meta = {META: _meta(draft, load)}
    draft.losses.extend(table_losses(instance))
    _other_losses(draft)
    return draft.network, draft.losses


def _require_load(instance: Instance, load: Load | None) -> None:
    open_rows = [row for row in instance.site_years if row.floor_mw != row.ceiling_mw]
    if load is None and open_rows:
        row = open_rows[0]
        raise MissingSettings(
            f"a PyPSA load is fixed, but {row.site} may energise {row.floor_mw:g} to {row.ceiling_mw:g} MW in "
            f"{row.year}: say --load floor or --load ceiling"
        )


def _it_mw(row: SiteYear, load: Load | None) -> float:
    return row.floor_mw if load == "floor" else row.ceiling_mw


def _add_zone(draft: Draft, zone: Zone) -> None:
    draft.add("Bus", zone.zone, carrier=POWER, location=zone.zone)
    if zone.supply == "price":
        _add_market(draft, zone)
    elif zone.supply == "stack":
        _add_stack(draft, zone)


def _add_market(draft: Draft, zone: Zone) -> None:
    """Buying and selling at the price; two generators where one way is unlimited or shut."""
    d = draft.data
    price = np.array([d.prices[zone.zone, year] for year in d.years])
    carrier = f"market {zone.zone}"
    draft.add_carrier(carrier, co2_t_per_mwh=zone.grid_co2_t_per_mwh)
    common = {"bus": zone.zone, "carrier": carrier, "marginal_cost": draft.series(price)}
    bought, sold = zone.max_net_purchase_mw, zone.max_net_sale_mw
    if bought is None and sold is None:
        draft.add("Generator", carrier, p_nom=np.inf, p_min_pu=-1.0, **common)
    elif bought and sold:
        most = max(bought, sold)
        draft.add("Generator", carrier, p_nom=most, p_max_pu=bought / most, p_min_pu=-sold / most, **common)
    else:
        draft.add("Generator", carrier, p_nom=np.inf if bought is None else bought, **common)
        sales = np.inf if sold is None else sold
        draft.add("Generator", f"{carrier} sales", p_nom=sales, p_min_pu=-1.0, p_max_pu=0.0, **common)


def _add_stack(draft: Draft, zone: Zone) -> None:
    d = draft.data
    draft.add_carrier("supply")
    for row in (row for row in d.instance.supply_blocks if row.zone == zone.zone):
        cost = {"p_nom": row.capacity_mw, "marginal_cost": row.marginal_cost_usd_per_mwh}
        draft.add("Generator", f"{zone.zone} {row.block}", bus=zone.zone, carrier="supply", **cost)
    load = np.array([d.local_load(zone.zone, year) for year in d.years])
    draft.add("Load", f"local load {zone.zone}", bus=zone.zone, carrier=POWER, p_set=draft.series(load))
    why = "the stack is a system's own plant: on import its zone needs a price"
    draft.lose("zones", zone.zone, "supply", zone.supply, why)


def _add_site(draft: Draft, site: Site, load: Load | None) -> None:
    d = draft.data
    place = {"x": site.longitude or 0.0, "y": site.latitude or 0.0}
    draft.add("Bus", site.site, carrier=POWER, location=site.zone, **place)
    rows = {row.year: row for row in d.instance.site_years if row.site == site.site}
    shape = d.grid.average(d.facility_load_per_it(site))
    power = np.array([_it_mw(rows[year], load) * shape for year in d.years])
    draft.add("Load", site.site, bus=site.site, carrier=POWER, p_set=draft.series(power))
    for year, mw in zip(d.years, power, strict=True):
        if rows[year].floor_mw != rows[year].ceiling_mw:
            span = f"{rows[year].floor_mw:g} to {rows[year].ceiling_mw:g}"
            draft.lose("site_years", f"{site.site}, {year}", "floor_mw, ceiling_mw", span, f"a load is fixed: {load}")
        if site.availability_target < 1:
            _add_unserved(draft, site, year, mw)
    if site.existing_poi_mw > 0:
        both = {"p_min_pu": -1.0} if site.export_allowed else {}
        ends = {"bus0": site.zone, "bus1": site.site, "carrier": POWER}
        draft.add("Link", f"POI of {site.site}", p_nom=site.existing_poi_mw, **ends, **both)


def _add_unserved(draft: Draft, site: Site, year: int, load: np.ndarray) -> None:
    """Load that may stay unserved in a year, up to what the availability target leaves."""
    d = draft.data
    peak = float(load.max())
    if peak <= 0:
        return
    weights = d.weights
    draft.add_carrier(UNSERVED)
    draft.add(
        "Generator",
        f"unserved {site.site}-{year}",
        bus=site.site,
        carrier=UNSERVED,
        p_nom=peak,
        p_max_pu=draft.yearly(load / peak),
        marginal_cost=d.instance.manifest.compute.unserved_usd_per_mwh,
        e_sum_max=(1 - site.availability_target) * float(weights @ load),
        build_year=year,
        lifetime=float(d.grid.years_represented[year]),
    )


def _add_corridors(draft: Draft) -> None:
    for row in draft.data.instance.corridors:
        ends = {"bus0": row.from_zone, "bus1": row.to_zone, "carrier": POWER, "p_nom": row.existing_mw}
        if row.loss_share == 0:
            draft.add("Link", row.corridor, p_min_pu=-1.0, **ends)
            continue
        arrives = {"efficiency": 1 - row.loss_share}
        draft.add("Link", row.corridor, **ends, **arrives)
        back = ends | {"bus0": row.to_zone, "bus1": row.from_zone}
        draft.add("Link", f"{row.corridor} back", **back, **arrives)


def _add_caps(draft: Draft) -> None:
    """Emissions caps; PyPSA weighs a period's emissions by the years it stands for."""
    d = draft.data
    for row in d.instance.policy:
        if row.co2_cap_t is not None and row.year in d.years:
            draft.add(
                "GlobalConstraint",
                f"emissions {row.year}",
                type="primary_energy",
                carrier_attribute="co2_emissions",
                sense="<=",
                investment_period=row.year,
                constant=row.co2_cap_t * d.grid.years_represented[row.year],
            )


def _meta(draft: Draft, load: Load | None) -> dict[str, Any]:
    d, manifest = draft.data, draft.data.instance.manifest
    lengths = draft.data.grid.steps.groupby("period", sort=False).size()
    known = [site for site in d.instance.sites if site.pue_series is None]
    rows = {(row.site, row.year): _it_mw(row, load) for row in d.instance.site_years}
    return {
        "sites": [site.site for site in d.instance.sites],
        "currency": manifest.currency,
        "price_year": manifest.price_year,
        "base_year": manifest.base_year,
        "discount_rate": manifest.finance.discount_rate,
        "pue": 1.0,
        "synthetic": any(row.synthetic for row in d.instance.series),
        "licence": "; ".join(sorted({note.licence for note in manifest.files.values()}))[:2000],
        "own": [row.asset for row in d.instance.existing_assets if row.zone is not None],
        "it_mw": {site.site: {str(year): rows[site.site, year] for year in d.years} for site in known},
        "price_factor": {zone: d.zone_year(zone, d.years[0], "price_factor", 1.0) for zone in d.zones},
        "periods": [[str(name), int(length)] for name, length in lengths.items()],
    }


def _other_losses(draft: Draft) -> None:
    """What no single cell says."""
    d, manifest = draft.data, draft.data.instance.manifest
    if manifest.finance.capital_view == "cash" and manifest.finance.discount_rate > 0:
        why = "PyPSA pays capital in annuities: set finance.capital_view to annuity to compare optima"
        draft.lose("instance.toml", "", "finance.capital_view", "cash", why)
    if manifest.finance.tax_view:
        draft.lose("instance.toml", "", "finance.tax_view", True, "PyPSA has no taxes")
    if manifest.compute.max_unmet_share > 0:
        draft.lose("instance.toml", "", "compute.max_unmet_share", manifest.compute.max_unmet_share, "a load is fixed")
    if len(d.period_steps) > 1 and len(draft.network.components["StorageUnit"].static):
        why = "storage returns to its level at the end of a year, not of each representative period"
        draft.lose("periods", "", "", f"{len(d.period_steps)} periods", why)
    if len(d.steps) * int(d.step_hours[d.steps[0]]) < manifest.series_hours:
        why = "hours outside the periods of the resolution are left out"
        draft.lose("hourly.csv", "", "", f"{manifest.series_hours} hours", why)
    if any(row.source for table in ("sites", "technologies") for row in d.instance.rows(table)):
        draft.lose("all tables", "", "source", "", "PyPSA has no place for sources")
    _credited_sales(draft)


def _credited_sales(draft: Draft) -> None:
    """Emissions caps: PyPSA nets sales to the market, the instance counts what is imported."""
    d = draft.data
    selling = {s.zone for s in d.sites.values() if s.export_allowed} | {r.zone for r in d.resources.values() if r.zone}
    selling |= {zone for row in d.instance.corridors for zone in (row.from_zone, row.to_zone)}
    for row in d.instance.policy:
        if row.co2_cap_t is not None and any(d.zones[zone].grid_co2_t_per_mwh for zone in selling if zone):
            why = "carried, but PyPSA credits sales to the market with the grid's emissions; here imports count in full"
            draft.lose("policy", str(row.year), "co2_cap_t", row.co2_cap_t, why)
