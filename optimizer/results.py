"""From the solved model to tables: what is funded, what is in service, and how everything runs.

Money is in ``accounts.py``. Values within the solver's tolerance of zero are written as zero.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from optimizer.model.data import MILLION, Data, Resource
from optimizer.model.market import capacity_curve
from optimizer.model.solution import Solution
from optimizer.plan import TABLES

#: Below this a MW or MWh is the solver's rounding.
NOISE = 1e-7
#: Fewer blocks than this are not in service: no unit of theirs can be the largest.
PRESENT = 1e-6

Steps = dict[tuple[Hashable, ...], np.ndarray]


def clean(values: np.ndarray) -> np.ndarray:
    """Values with solver noise taken for zero."""
    return np.where(np.abs(values) < NOISE, 0.0, values)


class Reading:
    """The values of a solution by name, as arrays over steps where they vary by step."""

    def __init__(self, solution: Solution) -> None:
        self.solution = solution
        self.data: Data = solution.data
        self.years = self.data.operated
        self.n_steps = len(self.data.steps)
        self._read: dict[str, Steps] = {}

    def by_step(self, name: str) -> Steps:
        """Values of an operating variable: index without the step -> array over steps."""
        return {key: clean(values) for key, values in self.solution.by_step(name).items()}

    def by_step_cached(self, name: str) -> Steps:
        """As ``by_step``, read once."""
        if name not in self._read:
            self._read[name] = self.by_step(name)
        return self._read[name]

    def one(self, name: str) -> dict[tuple[object, ...], float]:
        """Values of a variable that does not vary by step."""
        return {k: 0.0 if abs(v) < NOISE else v for k, v in self.solution.series(name).items()}

    def sum_at(self, steps: Steps, key: tuple[str, int], names: Iterable[str]) -> np.ndarray:
        """Sum over resources of arrays by (resource, year)."""
        return sum((steps[n, key[1]] for n in names if (n, key[1]) in steps), np.zeros(self.n_steps))

    @cached_property
    def output(self) -> Steps:
        return self.by_step("output")

    @cached_property
    def charge(self) -> Steps:
        return self.by_step("charge")

    @cached_property
    def discharge(self) -> Steps:
        return self.by_step("discharge")

    @cached_property
    def imports(self) -> Steps:
        return self.by_step("import_mw")

    @cached_property
    def exports(self) -> Steps:
        return self.by_step("export_mw")

    @cached_property
    def forward(self) -> Steps:
        return self.by_step("forward")

    @cached_property
    def backward(self) -> Steps:
        return self.by_step("backward")

    @cached_property
    def it_mw(self) -> dict[tuple[object, ...], float]:
        return self.one("it_mw")

    @cached_property
    def capacity_mw(self) -> dict[tuple[object, ...], float]:
        return self.one("capacity_mw")

    @cached_property
    def energy_mwh(self) -> dict[tuple[object, ...], float]:
        return self.one("energy_mwh")

    @cached_property
    def builds(self) -> dict[tuple[object, ...], float]:
        return _blocks(self, "build")

    @cached_property
    def energy_builds(self) -> dict[tuple[object, ...], float]:
        return _blocks(self, "build_energy")

    @cached_property
    def opened(self) -> dict[tuple[str, int], int]:
        """1 where a site is open: chosen for optional sites, from the first year with a ceiling for the others."""
        chosen = self.one("opened")
        active = self.data.active_site_years
        first = {s: min(y for q, y in active if q == s) for s, _ in active}
        opened = {}
        for s, site in self.data.sites.items():
            for y in self.data.years:
                optional = round(chosen.get((s, y), 0.0)) if not site.required else 0
                opened[s, y] = optional or int(site.required and s in first and y >= first[s])
        return opened

    @cached_property
    def load_per_it(self) -> dict[str, np.ndarray]:
        """Facility load of every site by step, MW per MW of energised IT."""
        data = self.data
        return {s: data.grid.average(data.facility_load_per_it(site)) for s, site in data.sites.items()}

    @cached_property
    def site_steps(self) -> dict[tuple[str, int], dict[str, np.ndarray]]:
        """Every term of every site's balance over the steps of every year, MW."""
        return {(s, y): _site_steps(self, s, y) for s in self.data.sites for y in self.years}

    @cached_property
    def net_purchase(self) -> dict[tuple[str, int], np.ndarray]:
        """Net purchase of the project in every zone and year, MW by step."""
        return {(z, y): _net_purchase(self, z, y) for z in self.data.zones for y in self.years}

    def poi_mw(self, site: str, year: int) -> float:
        funded = sum(self.capacity_mw.get((r.name, year), 0.0) for r in self.data.of_kind("wires") if r.site == site)
        return self.data.sites[site].existing_poi_mw + funded


def _blocks(reading: Reading, name: str) -> dict[tuple[object, ...], float]:
    """Blocks built; whole where the option asks for whole blocks."""
    resources = reading.data.resources
    blocks: dict[tuple[object, ...], float] = {}
    for key, value in reading.one(name).items():
        option = resources[str(key[0])].option
        blocks[key] = float(round(value)) if option is not None and option.integer else value
    return blocks


def _net_purchase(reading: Reading, zone: str, year: int) -> np.ndarray:
    data = reading.data
    net = np.zeros(reading.n_steps)
    zero = np.zeros(reading.n_steps)
    for s, site in data.sites.items():
        if site.zone == zone:
            net = net + reading.imports.get((s, year), zero) - reading.exports.get((s, year), zero)
    for r in data.resources.values():
        if r.zone == zone:
            key = (r.name, year)
            net = net - reading.output.get(key, zero) - reading.discharge.get(key, zero) + reading.charge.get(key, zero)
    for c in data.instance.corridors:
        forward, backward = (
            reading.forward.get((c.corridor, year), zero),
            reading.backward.get((c.corridor, year), zero),
        )
        if c.from_zone == zone:
            net = net + forward - (1 - c.loss_share) * backward
        if c.to_zone == zone:
            net = net + backward - (1 - c.loss_share) * forward
    return clean(net)


def table(name: str, rows: list[dict[str, object]]) -> pd.DataFrame:
    """A table of a plan from rows, with its columns in order."""
    return pd.DataFrame(rows, columns=list(TABLES[name]))


def rows_of(frame: pd.DataFrame) -> list[Any]:
    """Rows of a table as named tuples."""
    return list(frame.itertuples(index=False))


def totals(figures: Iterable[tuple[Any, float]]) -> dict[Any, float]:
    """Sums of figures by key, with what rounding takes off a sum added to the next figure (Kahan).

    >>> totals([("a", 1.0), ("b", 2.0), ("a", 3.0)])
    {'a': 4.0, 'b': 2.0}
    """
    total: dict[Any, float] = {}
    lost: dict[Any, float] = {}
    for key, figure in figures:
        part, before = figure - lost.get(key, 0.0), total.get(key, 0.0)
        total[key] = before + part
        lost[key] = (total[key] - before) - part
    return total


def operating_tables(reading: Reading) -> dict[str, pd.DataFrame]:
    """All tables that are not money."""
    return {
        "allocation": _allocation(reading),
        "retirements": _retirements(reading),
        "capacity": _capacity(reading),
        "sites": _sites(reading),
        "operation": _operation(reading),
        "resource_operation": _resource_operation(reading),
        "slot_levels": _slot_levels(reading),
        "corridor_operation": _corridor_operation(reading),
        "zone_operation": _zone_operation(reading),
        "supply_operation": _supply_operation(reading),
        "compute": _compute(reading),
        "capacity_obligation": _capacity_obligation(reading),
        "adequacy": _adequacy(reading),
        "emissions": _emissions(reading),
        "credited_energy": _credited_energy(reading),
    }


def _place(resource: Resource) -> dict[str, object]:
    return {
        "option": resource.option.option if resource.option else "",
        "funding_mode": resource.mode,
        "site": resource.site or "",
        "zone": resource.zone or "",
        "corridor": resource.corridor or "",
        "technology": resource.technology.technology,
        "kind": resource.kind,
    }


def _allocation(reading: Reading) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    data = reading.data
    for resource in data.resources.values():
        for year in resource.service_years:
            blocks = reading.builds.get((resource.name, year), 0.0)
            energy = reading.energy_builds.get((resource.name, year), 0.0)
            if blocks or energy:
                rows.append(_place(resource) | _built(data, resource, year, blocks, energy))
    return table("allocation", rows)


def _built(data: Data, resource: Resource, year: int, blocks: float, energy: float) -> dict[str, object]:
    option = resource.option
    assert option is not None
    mw = blocks * resource.block_mw
    mwh = energy * (option.energy_block_mwh or 0.0)
    if resource.kind == "storage" and not resource.sized_apart:
        mwh = mw * resource.hours_of_storage
    capex = blocks * data.block_capex(resource, year) + energy * data.energy_block_capex(resource, year)
    return {
        "utility": option.utility or "",
        "year": year,
        "blocks": blocks,
        "mw": mw,
        "energy_blocks": energy,
        "mwh": mwh,
        "capex_usd": capex * MILLION,
    }


def _retirements(reading: Reading) -> pd.DataFrame:
    retired = {k: round(v) for k, v in reading.one("retired").items()}
    return table("retirements", [{"asset": a, "year": y, "units": n} for (a, y), n in retired.items() if n])


def _capacity(reading: Reading) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for (name, year), mw in reading.capacity_mw.items():
        mwh = reading.energy_mwh.get((name, year), 0.0)
        if mw or mwh:
            resource = reading.data.resources[str(name)]
            row = {"resource": name, "year": year, "blocks": mw / resource.block_mw, "mw": mw, "mwh": mwh}
            rows.append(_place(resource) | row)
    return table("capacity", rows)


def _site_steps(reading: Reading, site: str, year: int) -> dict[str, np.ndarray]:
    """Every term of a site's balance over the steps of a year, MW."""
    data, key = reading.data, (site, year)
    zero = np.zeros(reading.n_steps)
    own = [r.name for r in data.resources.values() if r.site == site]
    load = reading.load_per_it[site] * reading.it_mw.get(key, 0.0)
    flexible = {
        n: reading.by_step_cached(n).get(key, zero)
        for n in ("unserved", "curtailed", "deferred", "recovered", "backlog")
    }
    return {
        "load_mw": load,
        "generation_mw": reading.sum_at(reading.output, key, own),
        "discharge_mw": reading.sum_at(reading.discharge, key, own),
        "import_mw": reading.imports.get(key, zero),
        "unserved_mw": flexible["unserved"],
        "curtailed_mw": flexible["curtailed"],
        "deferred_mw": flexible["deferred"],
        "charge_mw": reading.sum_at(reading.charge, key, own),
        "export_mw": reading.exports.get(key, zero),
        "recovered_mw": flexible["recovered"],
        "backlog_mwh": flexible["backlog"],
    }


#: What has the same names in all steps of a year, and its values by step.
Block = tuple[dict[str, Any], dict[str, np.ndarray]]


def _step_table(reading: Reading, name: str, blocks: list[Block]) -> pd.DataFrame:
    """Rows for all steps of every block, with period and step."""
    if not blocks:
        return table(name, [])
    steps = reading.data.grid.steps
    every = np.tile(np.arange(len(steps)), len(blocks))
    columns: dict[str, Any] = {"period": steps["period"].array.take(every), "step": steps.index.to_numpy()[every]}
    for key in blocks[0][0]:
        columns[key] = pd.Index([names[key] for names, _ in blocks]).repeat(len(steps))
    for column in blocks[0][1]:
        columns[column] = np.concatenate([values[column] for _, values in blocks])
    return pd.DataFrame({column: columns[column] for column in TABLES[name]})


def _operation(reading: Reading) -> pd.DataFrame:
    blocks: list[Block] = [
        ({"site": s, "year": y}, {"weight_hours": reading.data.weights, **steps})
        for (s, y), steps in reading.site_steps.items()
    ]
    return _step_table(reading, "operation", blocks)


def _sites(reading: Reading) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for (s, y), steps in reading.site_steps.items():
        it_mw = reading.it_mw.get((s, y), 0.0)
        energy = ("load", "unserved", "curtailed", "import", "export")
        rows.append(
            {
                "site": s,
                "year": y,
                "open": reading.opened[s, y],
                "it_mw": it_mw,
                "peak_load_mw": reading.data.peak_load_per_it[s] * it_mw,
                "poi_mw": reading.poi_mw(s, y),
                **{f"{c}_mwh": reading.data.yearly(steps[f"{c}_mw"]) for c in energy},
            }
        )
    return table("sites", rows)


def _resource_operation(reading: Reading) -> pd.DataFrame:
    zero = np.zeros(reading.n_steps)
    state, online, started = (reading.by_step(n) for n in ("state", "online", "started"))
    blocks: list[Block] = []
    for key in [*reading.output, *reading.charge]:
        if not (reading.capacity_mw.get(key) or reading.energy_mwh.get(key)):
            continue
        columns = {
            "generation_mw": reading.output.get(key, zero),
            "charge_mw": reading.charge.get(key, zero),
            "discharge_mw": reading.discharge.get(key, zero),
            "state_of_charge_mwh": state.get(key, zero),
            "online_blocks": online.get(key, zero),
            "started_blocks": started.get(key, zero),
        }
        blocks.append(({"resource": key[0], "year": key[1]}, columns))
    return _step_table(reading, "resource_operation", blocks)


def _slot_levels(reading: Reading) -> pd.DataFrame:
    levels = sorted(reading.one("level").items())
    return pd.DataFrame([(*key, level) for key, level in levels], columns=list(TABLES["slot_levels"]))


def _corridor_operation(reading: Reading) -> pd.DataFrame:
    blocks: list[Block] = [
        ({"corridor": c, "year": y}, {"forward_mw": flow, "backward_mw": reading.backward[c, y]})
        for (c, y), flow in reading.forward.items()
    ]
    return _step_table(reading, "corridor_operation", blocks)


def price_change(reading: Reading, zone: str, year: int) -> tuple[np.ndarray, np.ndarray]:
    """Rise of the market price (US$/MWh) and what the project pays for it (US$/h), by step."""
    points = reading.data.price_response.get(zone)
    if not points:
        return np.zeros(reading.n_steps), np.zeros(reading.n_steps)
    net = np.maximum(reading.net_purchase[zone, year], 0.0)
    quantity, rise = np.array([q for q, _ in points]), np.array([p for _, p in points])
    return np.interp(net, quantity, rise), np.interp(net, quantity, quantity * rise)


def _zone_operation(reading: Reading) -> pd.DataFrame:
    data, zero = reading.data, np.zeros(reading.n_steps)
    matched = reading.by_step("matched")
    blocks: list[Block] = []
    for z, zone in data.zones.items():
        for y in reading.years:
            rise, payment = price_change(reading, z, y)
            price = data.prices[z, y] if zone.supply == "price" else zero
            columns = {
                "local_load_mw": data.local_load(z, y),
                "net_purchase_mw": reading.net_purchase[z, y],
                "price_usd_per_mwh": price,
                "price_change_usd_per_mwh": rise,
                "price_rise_payment_usd_per_hour": payment,
                "matched_clean_mw": matched.get((z, y), zero),
            }
            blocks.append(({"zone": z, "year": y}, columns))
    return _step_table(reading, "zone_operation", blocks)


def _supply_operation(reading: Reading) -> pd.DataFrame:
    blocks: list[Block] = [
        ({"zone": z, "block": b, "year": y}, {"mw": mw}) for (z, b, y), mw in reading.by_step_cached("supply").items()
    ]
    return _step_table(reading, "supply_operation", blocks)


def _compute(reading: Reading) -> pd.DataFrame:
    demand = {row.year: row.it_mw for row in reading.data.instance.compute_demand}
    unmet = reading.one("unmet_mw")
    rows: list[dict[str, object]] = [
        {
            "year": y,
            "demand_mw": demand[y],
            "energised_mw": sum(reading.it_mw.get((s, y), 0.0) for s in reading.data.sites),
            "unmet_mw": unmet.get((y,), 0.0),
        }
        for y in reading.years
    ]
    return table("compute", rows)


def _capacity_obligation(reading: Reading) -> pd.DataFrame:
    data = reading.data
    bought = reading.one("capacity_part")
    rows: list[dict[str, object]] = []
    for z, zone in data.zones.items():
        if not zone.capacity_obligation:
            continue
        for y in reading.years:
            peak = sum(
                data.peak_load_per_it[s] * reading.it_mw.get((s, y), 0.0)
                for s, site in data.sites.items()
                if site.zone == z and data.grid_connected(s)
            )
            accredited = sum(
                r.technology.firm_credit_share * reading.capacity_mw.get((r.name, y), 0.0)
                for r in data.resources.values()
                if r.kind != "wires" and r.additional and data.zone_of(r) == z
            )
            obligation = (1 + zone.reserve_margin) * peak
            headroom = data.zone_year(z, y, "capacity_headroom_mw", 0.0)
            mw = sum(v for (q, w, _), v in bought.items() if (q, w) == (z, y))
            rows.append(
                {
                    "zone": z,
                    "year": y,
                    "obligation_mw": obligation,
                    "accredited_mw": accredited,
                    "headroom_mw": headroom,
                    "bought_mw": mw,
                    "price_usd_per_kw_year": data.zone_year(z, y, "capacity_price_usd_per_kw_year", 0.0),
                    "price_change_usd_per_kw_year": capacity_rise(data, z, mw),
                }
            )
    return table("capacity_obligation", rows)


def capacity_rise(data: Data, zone: str, bought_mw: float) -> float:
    """Rise of the capacity price for what the project buys, US$/kW-year."""
    points = data.capacity_curves.get(zone)
    if not points:
        return 0.0
    return float(np.interp(bought_mw, [q for q, _ in points], [p for _, p in points]))


def capacity_payment(data: Data, zone: str, year: int, bought_mw: float) -> float:
    """What the capacity bought costs, US$ a year: interpolated between the points of the curve."""
    if zone not in data.capacity_curves:
        return 0.0
    curve = capacity_curve(data, zone)
    base = 1000 * data.zone_year(zone, year, "capacity_price_usd_per_kw_year", 0.0)
    left, payment = bought_mw, 0.0
    for width, slope in zip(curve.widths, curve.slopes[1], strict=True):
        part = min(left, width)
        payment, left = payment + part * (base + slope), left - part
    return payment


def _adequacy(reading: Reading) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for s, site in reading.data.sites.items():
        if site.adequacy_margin is None:
            continue
        for y in reading.years:
            peak = reading.data.peak_load_per_it[s] * reading.it_mw.get((s, y), 0.0)
            firm, largest = _firm(reading, s, y)
            required = (1 + site.adequacy_margin) * peak
            rows.append(
                {
                    "site": s,
                    "year": y,
                    "peak_load_mw": peak,
                    "required_mw": required,
                    "firm_mw": firm,
                    "largest_mw": largest,
                    "margin_mw": firm - required,
                    "n_minus_1_margin_mw": firm - largest - peak,
                }
            )
    return table("adequacy", rows)


def _firm(reading: Reading, site: str, year: int) -> tuple[float, float]:
    """Firm capacity of a site and the part of it lost with the largest unit or circuit, MW."""
    row = reading.data.sites[site]
    firm = row.firm_poi_share * reading.poi_mw(site, year)
    lost = [row.firm_poi_share * row.poi_circuit_mw]
    for r in reading.data.resources.values():
        mw = reading.capacity_mw.get((r.name, year), 0.0)
        if r.site != site or not mw:
            continue
        share = row.firm_poi_share if r.kind == "wires" else r.technology.firm_credit_share
        if mw > PRESENT * r.block_mw:
            lost.append(share * r.block_mw)
        if r.kind != "wires":
            firm += share * mw
    return firm, max(lost)


def _emissions(reading: Reading) -> pd.DataFrame:
    rows: list[dict[str, object]] = []

    def add(place: str, year: int, source: str, tonnes: float) -> None:
        if tonnes:
            rows.append({"place": place, "year": year, "source": source, "t": tonnes})

    data = reading.data
    resources: dict[tuple[str, int], float] = {}
    for (name, year), output in reading.output.items():
        resource = data.resources[str(name)]
        tonnes = data.co2_per_mwh(resource) * reading.data.yearly(output)
        resources[resource.place, int(str(year))] = resources.get((resource.place, int(str(year))), 0.0) + tonnes
    for (place, year), tonnes in resources.items():
        add(place, year, "resource", tonnes)
    for (s, y), mw in reading.imports.items():
        zone = data.zones[data.sites[str(s)].zone]
        if zone.supply == "price":
            add(str(s), int(str(y)), "grid", zone.grid_co2_t_per_mwh * reading.data.yearly(mw))
    corridors = {c.corridor: c for c in data.instance.corridors}
    for (c, y), mw in reading.forward.items():
        factor, back = (
            data.corridor_emissions(corridors[str(c)]),
            data.corridor_emissions(corridors[str(c)], reverse=True),
        )
        add(str(c), int(str(y)), "grid", reading.data.yearly(factor * mw + back * reading.backward[c, y]))
    for (z, y), tonnes in _stack_emissions(reading).items():
        add(z, y, "supply", tonnes)
    return table("emissions", rows)


def _stack_emissions(reading: Reading) -> dict[tuple[str, int], float]:
    data = reading.data
    factors = {(b.zone, b.block): b.co2_t_per_mwh for b in data.instance.supply_blocks}
    totals: dict[tuple[str, int], float] = {}
    for (z, b, y), mw in reading.by_step_cached("supply").items():
        key = (str(z), int(str(y)))
        totals.setdefault(key, -data.stack_emissions_without_project(*key))
        totals[key] += factors[str(z), str(b)] * reading.data.yearly(mw)
    return totals


def _credited_energy(reading: Reading) -> pd.DataFrame:
    credited = reading.one("credited_gwh")
    return table(
        "credited_energy", [{"resource": r, "year": y, "mwh": 1000 * v} for (r, y), v in credited.items() if v]
    )
