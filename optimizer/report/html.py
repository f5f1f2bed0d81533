"""The whole plan as one HTML file: headline, what is funded, cash, cost, rates, operation, what it rests on."""

from __future__ import annotations

from typing import Any

import jinja2
import pandas as pd
from plotly.offline import get_plotlyjs

from optimizer.plan import Plan
from optimizer.report import figures
from optimizer.report.limits import compute_values, what_binds
from optimizer.report.money import asked, capital_by_place, not_served
from optimizer.report.sensitivity import NOTE, sensitivities
from optimizer.report.words import PAYERS
from optimizer.show import billions, pledge, price_of_pledge, unit_costs

#: What each status means, in the words of the README.
STATUS = {
    "optimal": "no cheaper plan exists",
    "within gap": "keeps every limit, and proven within the gap of the cheapest",
    "feasible at time limit": "keeps every limit; a better plan may exist",
    "interrupted": "keeps every limit; the search was interrupted, a better plan may exist",
}
#: Headings of columns, where they are not the column's name.
HEADINGS = {
    "mw": "MW", "mwh": "MWh", "capex": "capital, M$", "without": "without project, c/kWh",
    "with": "with project, c/kWh", "change": "change, c/kWh", "limit": "limit, c/kWh",
    "bill_without": "typical bill without, US$ a month", "bill": "change of the bill, US$ a month",
    "binding": "at the limit", "funding_mode": "paid as",
}  # fmt: skip


#: Figures of a replayed year: column, heading, what it is divided by.
REPLAYED = (
    ("unserved_mwh", "unserved, MWh,", 1.0),
    ("curtailed_mwh", "curtailed, MWh,", 1.0),
    ("import_mwh", "import, GWh,", 1e3),
    ("peak_import_mw", "peak import, MW,", 1.0),
    ("operating_usd", "operation, M$,", 1e6),
    ("make_whole_usd", "make-whole, M$,", 1e6),
)
WEEKLY = {
    "load_mwh": "load, MWh", "unserved_mwh": "unserved, MWh", "curtailed_mwh": "curtailed, MWh",
    "import_mwh": "import, MWh",
}  # fmt: skip
WORST_WEEKS = 10


def environment() -> jinja2.Environment:
    """Templates of this package; whatever comes from data is escaped."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("optimizer.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["figure"] = figure
    return made


def figure(value: object, digits: int | None = 1) -> str:
    """A number for reading, without digits a small one in powers of ten; text and blanks as they are.

    >>> figure(1234.56), figure(2030), figure("own"), figure(float("nan")), figure(-0.01), figure(2e-13, None)
    ('1,234.6', '2030', 'own', '', '0.0', '2.0e-13')
    """
    if isinstance(value, float) and digits is None:
        return f"{value:.1e}"
    if isinstance(value, float):
        return "" if value != value else f"{round(value, digits) + 0.0:,.{digits}f}"
    return "" if value is None else str(value)


def report_html(
    plan: Plan,
    margins: pd.DataFrame | None = None,
    weeks: pd.DataFrame | None = None,
    hours: pd.DataFrame | None = None,
) -> str:
    """Lay a plan out as a page that needs nothing but itself.

    Every figure comes from the plan's tables; rounding is for display only.

    Parameters
    ----------
    plan
        A solved plan.
    margins
        Its `marginal_values`, for the sections on what binds and on sensitivities; None leaves these out.
    weeks
        Weeks of its replay, worst first (``RUN/replay/weeks.csv``); None leaves their table out.
    hours
        Hours of the worst and a typical week of every site (``RUN/replay/hours.csv``); None leaves their charts out.
    """
    manifest = plan.instance.manifest
    sensitivity = None if margins is None else figures.value_of_compute(compute_values(margins))
    changes = sensitivities(plan)
    charts = figures.as_html(_charts(plan))
    return environment().get_template("report.html").render(
        title=manifest.title or manifest.name,
        manifest=manifest,
        status=plan.status,
        meaning=STATUS[plan.status],
        cost=billions(plan.objective_usd),
        bound=billions(plan.bound_usd),
        gap=f"{plan.gap * 100:.2f} %",
        pledge=pledge(plan) if len(plan.rates) else "",
        price=price_of_pledge(plan) if len(plan.rates) else "",
        asked=asked(plan),
        tiles=_tiles(plan),
        charts=charts,
        dispatch=figures.as_html(_dispatch(plan)),
        tables=_tables(plan),
        changed=figures.as_html([figures.sensitivity(changes)] if len(changes) else []),
        changes_note=NOTE,
        binding=None if margins is None else what_binds(margins),
        sensitivity=figures.as_html([] if sensitivity is None else [sensitivity]),
        replay=plan.manifest.get("replay"),
        replayed=_replayed(plan, weeks),
        replayed_weeks=figures.as_html(_weeks(hours)),
        assumed=_assumed(plan),
        headings=HEADINGS,
        sources=pd.DataFrame(
            [(file, note.source, note.licence) for file, note in manifest.files.items()],
            columns=["file", "source", "licence"],
        ),
        checks=_checks(plan),
        versions=plan.manifest.get("versions", {}),
        sizes={key: plan.manifest.get(key) for key in ("rows", "columns", "integers")},
        plotly=get_plotlyjs(),
    )  # fmt: skip


def _charts(plan: Plan) -> list[Any]:
    drawn = [figures.site_map(plan), figures.funding_by_year(plan), figures.capital_by_place(plan)]
    drawn += [figures.capital_by_year(plan), figures.cash(plan), figures.cost_waterfall(plan)]
    drawn += [figures.rates(plan, utility) for utility in dict.fromkeys(plan.rates["utility"])]
    return [chart for chart in drawn if chart is not None]


def _dispatch(plan: Plan) -> list[Any]:
    """The last year with load at every site."""
    drawn = []
    for site in plan.instance.sites:
        loaded = plan.tables["sites"].query("site == @site.site and it_mw > 0")
        if len(loaded):
            year = int(loaded["year"].max())
            periods = figures.telling_periods(plan, site.site, year)
            for period, title in periods:
                drawn.append(figures.dispatch(plan, site.site, year, period, title))
                drawn.append(figures.storage(plan, site.site, year, period, title))
    return [chart for chart in drawn if chart is not None]


def _weeks(hours: pd.DataFrame | None) -> list[Any]:
    """The worst and a typical week of every site, as replayed."""
    weeks = [] if hours is None else [rows for _, rows in hours.groupby(["site", "week"], sort=False)]
    return [chart for rows in weeks for chart in figures.replayed_week(rows)]


def _tiles(plan: Plan) -> list[tuple[str, str]]:
    funded = plan.allocation.groupby("kind")[["mw", "capex_usd"]].sum()
    names = {"generator": "generation funded", "storage": "storage funded", "wires": "grid capacity funded"}
    tiles = [(name, f"{funded['mw'][kind]:,.0f} MW") for kind, name in names.items() if kind in funded.index]
    whole = plan.tables["make_whole"]["usd"].sum()
    short_mwh, short_share = not_served(plan)
    per_mwh = [text.split(" per ")[0] for label, text in unit_costs(plan) if label == "Per MWh"]
    return [
        ("cost, present value", billions(plan.objective_usd)),
        *(("cost per MWh delivered, levelised", text) for text in per_mwh),
        ("capital, gross", billions(float(plan.allocation["capex_usd"].sum()))),
        *tiles,
        ("make-whole, sum of planning years", f"{whole / 1e6:,.0f} M$"),
        ("load not served or curtailed, sum", f"{short_mwh:,.0f} MWh, {short_share:.3%}"),
    ]


def _assumed(plan: Plan) -> pd.DataFrame:
    """Cost and life of every technology that may be funded, with its source."""
    offered = {option.technology for option in plan.instance.funding_options}
    rows = [
        {
            "technology": row.technology,
            "capital, US$/kW": row.capex_usd_per_kw,
            "storage, US$/kWh": row.capex_usd_per_kwh,
            "change a year, %": 100 * row.capex_change_per_year,
            "fixed O&M, US$/kW-year": row.fixed_om_usd_per_kw_year,
            "variable O&M, US$/MWh": row.variable_om_usd_per_mwh,
            "life, years": float(row.life_years),
            "lead time, years": row.lead_time_years,
            "source": row.source or "",
        }
        for row in plan.instance.technologies
        if row.technology in offered
    ]
    return pd.DataFrame(rows)


def _replayed(plan: Plan, weeks: pd.DataFrame | None) -> list[tuple[str, int, pd.DataFrame]]:
    """Title, decimals and table: years of the replay beside those of the plan, outages, and the worst weeks."""
    entry = plan.manifest.get("replay") or {}
    tables = []
    if entry.get("years"):
        years = pd.DataFrame(entry["years"])
        columns: dict[str, Any] = {"year": years["year"]}
        for name, heading, unit in REPLAYED:
            columns[f"{heading} planned"] = years[f"planned_{name}"].astype(float) / unit
            columns[f"{heading} replayed"] = years[name].astype(float) / unit
        tables.append(("Years as planned, and as replayed", 1, pd.DataFrame(columns)))
    if entry.get("outages"):
        tables.append(("Forced outages, drawn at random: beside the limits above", 3, _outages(entry["outages"])))
    if weeks is not None:
        worst = weeks.head(WORST_WEEKS)[["year", "week", "first_hour", *WEEKLY]].rename(columns=WEEKLY)
        tables.append(("The worst weeks of all years, counted from 0", 1, worst))
    return tables


def _outages(years: list[dict[str, Any]]) -> pd.DataFrame:
    """Expected load lost to outages by site and year, and the share served beside the target."""
    found = pd.DataFrame(years)
    return pd.DataFrame(
        {
            "site": found["site"],
            "year": found["year"],
            "unserved, MWh a year": found["eue_mwh"],
            "± MWh (95 %)": found["eue_half_width_mwh"],
            "hours a year": found["lolh"],
            "± hours (95 %)": found["lolh_half_width"],
            "served, %": 100 * found["availability"],
            "target, %": 100 * found["target"],
        }
    )


def _checks(plan: Plan) -> pd.DataFrame:
    """Largest relative error of every check, largest first."""
    errors: dict[str, float] = plan.manifest.get("checks", {})
    ordered = sorted(errors.items(), key=lambda item: -abs(item[1]))
    return pd.DataFrame(ordered, columns=["check", "relative error"])


def _tables(plan: Plan) -> list[tuple[str, str, pd.DataFrame]]:
    """Heading, note and table, figures as they are read."""
    rows = plan.allocation.assign(
        place=plan.allocation[["site", "zone", "corridor"]].max(axis=1), capex=plan.allocation["capex_usd"] / 1e6
    )
    funded = rows[["place", "option", "technology", "funding_mode", "year", "mw", "mwh", "capex"]]
    use = {(one.utility, one.customer_class): one.typical_monthly_kwh for one in plan.instance.customer_classes}
    kwh = [use[key] for key in zip(plan.rates["utility"], plan.rates["customer_class"], strict=True)]
    local = plan.rates.assign(
        without=plan.rates["without_project_usd_per_mwh"] / 10,
        **{"with": plan.rates["with_project_usd_per_mwh"] / 10},
        change=plan.rates["change_cents_per_kwh"],
        limit=plan.rates["cap_cents_per_kwh"],
        bill_without=plan.rates["without_project_usd_per_mwh"] / 1000 * kwh,
        bill=plan.rates["typical_bill_change_usd_per_month"],
        binding=plan.rates["binding"].map({True: "yes", False: ""}),
    )[["utility", "customer_class", "year", "without", "with", "change", "limit", "binding", "bill_without", "bill"]]
    exit_ = plan.tables["stranding"]
    money = ["exposure_usd", "exit_fee_usd", "collateral_usd", "headroom_usd"]
    stranding = exit_.assign(**{name: exit_[name] / 1e6 for name in money}).rename(
        columns={name: name.replace("_usd", ", M$").replace("_", " ") for name in money}
    )
    places = capital_by_place(plan).rename(columns=PAYERS).set_index("place") / 1e6
    places.loc["all places"] = places.sum()
    return [
        (
            "Capital by place and year",
            "M$, real, undiscounted, gross of credits: who pays, then by year of service. Sites, zones and lines.",
            places.reset_index(),
        ),
        (
            "Funded",
            "Capital in real US$ of the instance, gross of credits; own, contribution or the utility's.",
            funded,
        ),
        ("Local rates", "The same year without and with the project. Bill: change for a typical customer.", local),
        (
            "If the campuses leave",
            "What a utility would be left with if all of its campuses left at the start of a year, and what covers it.",
            stranding,
        ),
    ]
