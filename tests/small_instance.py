"""A compact valid instance with every table present, for tests. The figures are invented.

Two campuses: Lima buys at the market price of zone `pool`; Saline is served by a cost-of-service utility whose
supply stack makes up zone `home`. A corridor joins the two zones. The series are two days long; resolution
`full` is one period of 48 hourly steps, `coarse` two periods of a day in steps of 6 hours, with a calendar.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

#: What may be done to a file: other text, a function of its text, or None to leave it out.
Change = str | Callable[[str], str] | None

TABLE_TEXT = {
    "sites": """\
site,zone,utility,tariff,existing_poi_mw,utilisation_series,pue_series,required,opening_cost_usd,curtailable_share,curtailable_energy_share,curtailment_cost_usd_per_mwh,deferrable_share,deferral_window_hours,availability_target,contract_end_year,source
Lima,pool,Wires Co,large load,310,use,cooling,true,0,0.1,0.02,400,0.05,12,0.99,2045,invented
Saline,home,Home Power,contract,260,use,cooling,false,5000000,0.08,0.01,450,0,0,0.995,2046,invented
""",
    "site_years": """\
site,year,floor_mw,ceiling_mw,contract_mw
Lima,2028,50,150,160
Lima,2030,60,250,260
Saline,2028,40,120,130
Saline,2030,45,200,210
""",
    "zones": """\
zone,supply,utility,price_series,local_load_series,grid_co2_t_per_mwh,capacity_obligation,reserve_margin,buyback_usd_per_mwh
pool,price,,price,pool load,0.4,true,0.15,0
home,stack,Home Power,,home load,0,false,0,25
""",
    "zone_years": """\
zone,year,price_factor,local_load_factor,capacity_headroom_mw,capacity_price_usd_per_kw_year
pool,2028,1,1,400,80
pool,2030,1.1,1.02,350,95
home,2030,1,1.01,0,0
""",
    "supply_blocks": """\
zone,block,capacity_mw,marginal_cost_usd_per_mwh,co2_t_per_mwh
home,hydro,500,5,0
home,coal,900,28,0.95
home,peaker,700,75,0.55
""",
    "corridors": """\
corridor,from_zone,to_zone,existing_mw,loss_share
tie,pool,home,100,0.02
""",
    "utilities": """\
utility,zone,regime,salvage_share,max_collateral_usd,collateral_carry_share,contribution_tax_gross_up
Wires Co,pool,market,0.1,50000000,0.02,0.25
Home Power,home,cost_of_service,0.2,60000000,0.03,0.22
""",
    "customer_classes": """\
utility,customer_class,rate_tolerance_share,bill_credit_share,hedged_share,local_load_share,capacity_obligation_mw,typical_monthly_kwh
Wires Co,homes,0,0.3,0.9,0.4,450,700
Wires Co,trade,0.001,0.4,0.8,0.5,550,4000
Home Power,homes,0,0.45,1,0.55,0,900
Home Power,trade,0,0.5,1,0.45,0,5000
""",
    "class_years": """\
utility,customer_class,year,sales_mwh,rate_usd_per_mwh
Wires Co,homes,2028,2000000,160
Wires Co,homes,2030,2050000,165
Wires Co,trade,2028,2600000,120
Wires Co,trade,2030,2700000,122
Home Power,homes,2028,3000000,110
Home Power,homes,2030,3100000,112
Home Power,trade,2028,2500000,90
Home Power,trade,2030,2550000,91
""",
    "cost_allocators": """\
utility,customer_class,pool,share
Wires Co,homes,generation,0.5
Wires Co,trade,generation,0.5
Wires Co,homes,transmission,0.45
Wires Co,trade,transmission,0.55
Wires Co,homes,distribution,0.7
Wires Co,trade,distribution,0.3
Wires Co,homes,fuel,0.42
Wires Co,trade,fuel,0.58
Home Power,homes,generation,0.52
Home Power,trade,generation,0.48
Home Power,homes,transmission,0.53
Home Power,trade,transmission,0.47
Home Power,homes,distribution,1
Home Power,homes,fuel,0.54
Home Power,trade,fuel,0.46
""",
    "technologies": """\
technology,kind,capex_usd_per_kw,capex_usd_per_kwh,capex_change_per_year,fixed_om_usd_per_kw_year,variable_om_usd_per_mwh,fuel,heat_rate_mmbtu_per_mwh,life_years,lead_time_years,spend_curve,wacc,forced_outage_rate,firm_credit_share,clean,cost_pool,charge_efficiency,discharge_efficiency,min_duration_hours,max_duration_hours,storage_linking,macrs_years
turbine,generator,1100,0,0,15,3,gas,9.2,30,1,two years,0.06,0.05,0.93,false,generation,1,1,0,0,period,15
solar,generator,1200,0,-0.02,18,0,,0,32,1,,0.055,0,0.2,true,generation,1,1,0,0,period,5
battery,storage,300,250,-0.01,7,1,,0,18,1,,,0.02,0.6,false,generation,0.95,0.94,2,8,calendar,5
fixed battery,storage,280,240,0,6,0.5,,0,16,1,,,0.02,0.55,false,generation,0.93,0.92,4,4,period,7
line,wires,150,0,0,2,0,,0,40,2,,,0,0,false,transmission,1,1,0,0,period,15
""",
    "spend_curves": """\
spend_curve,years_before_service,share
two years,0,0.6
two years,1,0.4
""",
    "tax_credits": """\
technology,first_year,last_year,itc_share,ptc_usd_per_mwh,ptc_years
solar,2026,2029,0,27,10
battery,2026,2033,0.3,0,10
""",
    "funding_options": """\
option,technology,site,zone,corridor,utility,funding_modes,block_mw,integer,max_blocks,max_blocks_per_year,energy_block_mwh,max_energy_blocks,availability_series,contract_site,contract_share
lima turbine,turbine,Lima,,,,own,50,true,4,2,,,,,0
lima solar,solar,Lima,,,,own,25,false,8,,,,sun,,0
lima battery,battery,Lima,,,,own,20,true,6,,40,20,,,0
home solar,solar,,home,,Home Power,own;contribution;utility,100,true,5,,,,sun,Saline,0.5
home store,fixed battery,,home,,Home Power,own;utility,30,true,3,,,,,,0
pool turbine,turbine,,pool,,,own,80,true,3,,,,,,0
lima poi,line,Lima,,,Wires Co,contribution;utility,100,true,2,,,,,,0
saline poi,line,Saline,,,Home Power,own;contribution,120,true,2,,,,,,0
tie circuit,line,,,tie,Home Power,own;utility,90,true,2,,,,,,0
""",
    "option_rules": """\
rule,group,option,requires_option
at_most_one,one peaker,lima turbine,
at_most_one,one peaker,pool turbine,
requires,store after sun,home store,home solar
""",
    "existing_assets": """\
asset,technology,site,zone,unit_mw,units,energy_mwh,first_year,last_year,can_retire
old turbine,turbine,Saline,,35,2,0,2015,2040,true
old battery,fixed battery,Lima,,10,1,40,2020,2035,false
""",
    "tariffs": """\
tariff,utility,demand_usd_per_kw_month,energy_usd_per_mwh,market_energy_share,export_usd_per_mwh,fixed_usd_per_month,minimum_demand_share,ratchet_share,change_per_year,exit_fee_years
large load,Wires Co,6,2,0,0,1000,0.8,0.6,0.01,10
contract,Home Power,11,33,0,15,2000,0.85,0.7,0,12
""",
    "fuels": """\
fuel,co2_t_per_mmbtu
gas,0.053
""",
    "fuel_prices": """\
fuel,zone,year,usd_per_mmbtu
gas,pool,2028,3.5
gas,pool,2030,3.8
gas,home,2028,4.1
gas,home,2030,4.3
""",
    "budgets": """\
scope,year,max_capex_usd,max_cumulative_capex_usd
portfolio,2028,900000000,900000000
Lima,2030,,700000000
""",
    "compute_demand": """\
year,it_mw
2028,180
2030,320
""",
    "policy": """\
year,carbon_price_usd_per_t,co2_cap_t,clean_share_annual,clean_share_hourly
2028,10,,0,0
2030,20,9000000,0.05,0.01
""",
    "price_response": """\
zone,net_purchase_mw,price_change_usd_per_mwh
pool,0,0
pool,300,1.5
pool,900,6
""",
    "capacity_price_curve": """\
zone,shortfall_mw,price_change_usd_per_kw_year
pool,0,0
pool,500,30
""",
    "shared_network_costs": """\
utility,year,cost_usd,local_coincident_peak_mw
Wires Co,2028,90000000,1400
Wires Co,2030,95000000,1450
""",
    "series": """\
series,kind,synthetic
use,utilisation,true
cooling,pue,true
sun,availability,true
price,price,true
pool load,local_load,true
home load,local_load,true
""",
    "periods": """\
resolution,period,start_hour,hours,occurrences_per_year,kind
full,both days,0,48,182.5,typical
coarse,first day,0,24,182.5,typical
coarse,second day,24,24,182.5,extreme
""",
    "drivers": """\
driver,path,change,low,high,unit
battery cost,technologies.battery.capex_usd_per_kw,*=,0.7,1.2,factor
""",
    "calendar": """\
resolution,slot,period
full,0,both days
coarse,0,first day
coarse,1,second day
""",
}

MANIFEST_TEXT = """\
schema_version = 1
name = "small"
title = "Two campuses, two zones, two days"
currency = "USD"
price_year = 2025
base_year = 2026
planning_years = [2028, 2030]
last_year_represents = 3
series_hours = 48

[finance]
discount_rate = 0.05
capital_view = "cash"

[compute]
max_unmet_share = 0.1

[rates]
enforce = true

[options]
resolution = "coarse"

[resolutions.full]
step_hours = 1

[resolutions.coarse]
step_hours = 6
planning_years = [2028, 2030]
description = "for quick looks"
"""

NOTE = """
[files."{}"]
source = "invented"
licence = "CC0-1.0"
"""


def hourly_text() -> str:
    """Two days of smooth invented series."""
    lines = ["hour,use,cooling,sun,price,pool load,home load"]
    for hour in range(48):
        day = math.sin(2 * math.pi * (hour % 24 - 6) / 24)
        second = 1.0 + 0.05 * (hour >= 24)
        values = (
            0.9 + 0.03 * day,
            1.2 + 0.05 * second * (1 + day),
            max(0.0, day) / second,
            35 * second + 10 * day,
            1100 * second + 150 * day,
            900 * second + 120 * day,
        )
        lines.append(",".join([str(hour), *map(repr, values)]))
    return "\n".join(lines) + "\n"


def small_instance_folder(parent: Path, **changes: Change) -> Path:
    """Write the small instance to ``parent / "small"``.

    Parameters
    ----------
    parent
        Existing folder, for instance pytest's ``tmp_path``.
    changes
        By name of a table, or ``hourly`` or ``manifest``: the text of the file, a function from its usual text to
        the wanted one, or None to leave the file out (its note in ``[files]`` is left out with it).

    Examples
    --------
    >>> small_instance_folder(tmp_path, sites=lambda text: text.replace("310", "-40"))  # doctest: +SKIP
    """
    usual = {**TABLE_TEXT, "hourly": hourly_text()}
    manifest_change = changes.pop("manifest", lambda text: text)
    unknown = set(changes) - set(usual)
    if unknown:
        raise KeyError(f"no such file: {unknown}")
    texts = {f"{name}.csv": _changed(text, changes.get(name, text)) for name, text in usual.items()}
    notes = "".join(NOTE.format(file) for file, text in texts.items() if text is not None)
    texts["instance.toml"] = _changed(MANIFEST_TEXT + notes, manifest_change)
    folder = parent / "small"
    folder.mkdir()
    for file, text in texts.items():
        if text is not None:
            (folder / file).write_text(text, encoding="utf-8", newline="")
    return folder


def _changed(text: str, change: Change) -> str | None:
    return change(text) if callable(change) else change
