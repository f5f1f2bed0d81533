"""Charts of a plan, each from its tables alone, in colours that colour-blind readers can tell apart."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd
import plotly.graph_objects as go

from optimizer.plan import Plan
from optimizer.report.words import PAYERS, cost_words

#: Okabe and Ito's palette, and greys where there are more series.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000", "#7f7f7f", "#bdbdbd")
#: Flows of a site's balance: column, name, sign in the stack.
SUPPLY = (
    ("import_mw", "grid import"),
    ("generation_mw", "generation"),
    ("discharge_mw", "storage discharge"),
    ("curtailed_mw", "load curtailed"),
    ("deferred_mw", "load deferred"),
    ("unserved_mw", "unserved"),
)
#: Cash flows with a colour of their own.
LARGEST = 9
KINDS = {"generator": "plant", "storage": "storage", "wires": "grid"}
USE = (("charge_mw", "storage charge"), ("export_mw", "export"), ("recovered_mw", "load recovered"))


def _figure(title: str, y: str, x: str = "", height: int = 380) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        title={"text": title, "font": {"size": 15}},
        template="plotly_white",
        height=height,
        margin={"l": 60, "r": 20, "t": 50, "b": 50},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "maxheight": 0.9},
        font={"family": "system-ui, sans-serif", "size": 13},
        colorway=COLOURS,
    )
    figure.update_yaxes(title=y, zeroline=True, zerolinecolor="#444")
    figure.update_xaxes(title=x, automargin=True)
    return figure


def _words(name: object) -> str:
    """Names of technologies and costs as words: ``own_capital`` is own capital."""
    return _plain(name).replace("_", " ")


def _stack(figure: go.Figure, table: pd.DataFrame) -> go.Figure:
    """Stacked bars: index on the axis, one series a column."""
    for number, name in enumerate(table.columns):
        colour = COLOURS[number % len(COLOURS)]
        pattern = "/" if number >= len(COLOURS) else ""
        figure.add_bar(
            x=list(table.index), y=table[name], name=_words(name),
            marker={"color": colour, "pattern": {"shape": pattern}},
        )  # fmt: skip
    figure.update_layout(barmode="relative")
    return figure


def _plain(text: object) -> str:
    """Names from data are shown as they are: markup in them stays text."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def funding_by_year(plan: Plan) -> go.Figure:
    """MW entering service by technology; wires are one series."""
    rows = plan.allocation.assign(
        series=plan.allocation["technology"].mask(plan.allocation["kind"] == "wires", "grid connections and lines")
    )
    table = rows.pivot_table(index="year", columns="series", values="mw", aggfunc="sum", fill_value=0.0)
    table = table.reindex(list(plan.instance.manifest.planning_years), fill_value=0.0)
    table = table.loc[:, table.sum().sort_values(ascending=False).index]
    return _stack(_figure("Capacity entering service", "MW"), table)


def capital_by_place(plan: Plan) -> go.Figure:
    """Capital by place and who pays it, M$ gross."""
    rows = plan.allocation.assign(place=plan.allocation[["site", "zone", "corridor"]].max(axis=1))
    table = _by_payer(rows, "place")
    table = table.loc[table.sum(axis=1).sort_values(ascending=False).index]
    table.index = [_plain(name) for name in table.index]
    return _stack(_figure("Capital by place, and who pays", "M$, real, undiscounted"), table)


def capital_by_year(plan: Plan) -> go.Figure:
    """Capital by year of service and who pays it, M$ gross."""
    table = _by_payer(plan.allocation, "year").reindex(list(plan.instance.manifest.planning_years), fill_value=0.0)
    return _stack(_figure("Capital by year of service, and who pays", "M$, real, undiscounted"), table)


def _by_payer(rows: pd.DataFrame, index: str) -> pd.DataFrame:
    """Capital by a column and who pays, M$."""
    table = rows.pivot_table(index=index, columns="funding_mode", values="capex_usd", aggfunc="sum", fill_value=0.0)
    return table.rename(columns=PAYERS) / 1e6


def cash(plan: Plan) -> go.Figure:
    """The sponsor's cash by calendar year, and the value left in plant when the horizon ends, M$."""
    table = plan.cash_flow.pivot_table(
        index="calendar_year", columns="name", values="usd", aggfunc="sum", fill_value=0.0
    )
    table = table.loc[:, table.abs().sum().sort_values(ascending=False).index] / 1e6
    shown, rest = table.columns[:LARGEST], table.columns[LARGEST:]
    named = table[shown].rename(columns=cost_words)
    if len(rest):
        named = named.assign(**{"all other": table[rest].sum(axis=1)})
    return _stack(_figure("Cash of the sponsor: paid up, received down", "M$ a year, real", height=460), named)


def cost_waterfall(plan: Plan) -> go.Figure:
    """Present value by cost name, and the total, M$."""
    values = plan.costs.groupby("name")["present_value_usd"].sum() / 1e6
    values = values[values.abs() > 1e-6].sort_values(ascending=False)
    figure = _figure("What the plan costs, present value", "", "M$", height=160 + 24 * len(values))
    figure.add_waterfall(
        orientation="h",
        y=[*(cost_words(str(name)) for name in values.index), "total"],
        x=[*values, 0.0],
        measure=["relative"] * len(values) + ["total"],
        increasing={"marker": {"color": COLOURS[5]}},
        decreasing={"marker": {"color": COLOURS[2]}},
        totals={"marker": {"color": COLOURS[0]}},
        text=[f"{v:,.0f}" if abs(v) > 0.02 * values.abs().max() else "" for v in [*values, values.sum()]],
        textposition="outside",
        constraintext="none",
        cliponaxis=False,
    )
    figure.update_layout(margin={"r": 50})  # room for the figure beside the longest bar
    return figure.update_yaxes(autorange="reversed", automargin=True)


def sensitivity(table: pd.DataFrame) -> go.Figure:
    """Change of the plan's cost by each change of one figure, M$."""
    figure = _figure("One figure changed, the plan unchanged", "", "M$ of present value", height=140 + 30 * len(table))
    values = table["change_of_cost_usd"] / 1e6
    figure.add_bar(
        orientation="h", y=table["change"], x=values, text=[f"{v:+,.0f}" for v in values], textposition="outside",
        cliponaxis=False, marker={"color": [COLOURS[5] if v > 0 else COLOURS[2] for v in values]},
    )  # fmt: skip
    low, high = min(0.0, values.min()), max(0.0, values.max())
    room = 0.15 * (high - low)  # for the figures beside the bars
    figure.update_xaxes(range=[low - room, high + room])
    return figure.update_yaxes(autorange="reversed", automargin=True)


def rates(plan: Plan, utility: str) -> go.Figure:
    """Change of every class's rate by year, and the limit it may not pass, cents/kWh."""
    rows = plan.rates[plan.rates["utility"] == utility]
    figure = _figure(f"{_plain(utility)}: change of rates by the project", "cents per kWh")
    for number, (name, one) in enumerate(rows.groupby("customer_class", sort=False)):
        colour = COLOURS[number % len(COLOURS)]
        figure.add_scatter(
            x=one["year"], y=one["change_cents_per_kwh"], name=_plain(name), mode="lines+markers",
            line={"color": colour}, marker={"symbol": number},
        )  # fmt: skip
    cap = rows.groupby("year")["cap_cents_per_kwh"].min()
    figure.add_scatter(
        x=list(cap.index), y=cap, name="lowest limit", mode="lines", line={"color": "#444", "dash": "dash"}
    )
    return figure


def site_map(plan: Plan) -> go.Figure | None:
    """Numbered sites at their coordinates, sized by capital, and what is funded; None where none has coordinates."""
    placed = [s for s in plan.instance.sites if s.latitude is not None and s.longitude is not None]
    if not placed:
        return None
    title = "What is funded at the sites; zones and lines stand in the table by place"
    figure = _figure(title, "latitude, degrees", "longitude, degrees")
    spent = plan.allocation.groupby("site")["capex_usd"].sum()
    largest = max(spent.max() if len(spent) else 0.0, 1.0)
    places = [(float(s.longitude or 0.0), float(s.latitude or 0.0)) for s in placed]
    for number, (site, (east, north)) in enumerate(zip(placed, places, strict=True), start=1):
        size = 12 + 40 * math.sqrt(spent.get(site.site, 0.0) / largest)
        figure.add_scatter(
            x=[east], y=[north], mode="markers+text", text=[str(number)], textposition=_free_side(east, north, places),
            name=f"{number} {_plain(site.site)}: {_funded_at(plan, site.site)}", cliponaxis=False,
            marker={"size": size, "color": COLOURS[0], "opacity": 0.6},
        )  # fmt: skip
    figure.update_layout(legend={"orientation": "v", "itemsizing": "constant"})
    figure.update_xaxes(range=[min(e for e, _ in places) - 4, max(e for e, _ in places) + 4])
    figure.update_yaxes(range=[min(n for _, n in places) - 3, max(n for _, n in places) + 4])
    return figure


def _free_side(east: float, north: float, places: Iterable[tuple[float, float]]) -> str:
    """Where a number stands: away from the nearest neighbour within three degrees, else above."""
    others = [(math.hypot(e - east, n - north), e) for e, n in places if (e, n) != (east, north)]
    distance, neighbour = min(others, default=(math.inf, east))
    if distance > 3:
        return "top center"
    return "middle left" if neighbour > east else "middle right"


def _funded_at(plan: Plan, site: str) -> str:
    """Capital and MW by kind funded at a site, in words."""
    rows = plan.allocation[plan.allocation["site"] == site]
    if rows.empty:
        return "nothing"
    mw = rows.groupby("kind", sort=False)["mw"].sum()
    kinds = [f"{KINDS[str(kind)]} {value:,.0f}" for kind, value in mw.items()]
    return f"{rows['capex_usd'].sum() / 1e6:,.0f} M$<br>{', '.join(kinds)} MW"


def dispatch(plan: Plan, site: str, year: int, period: str, title: str) -> go.Figure:
    """A site's balance through a representative period, MW."""
    chosen = plan.operation.query("site == @site and year == @year and period == @period")
    figure = _figure(
        f"{_plain(site)}, {year}: {title} ({_plain(period)})", "MW", f"hour of the {_period(plan, period)}"
    )
    return _balance(figure, chosen, _step_hours(plan))


def _balance(figure: go.Figure, rows: pd.DataFrame, length: int = 1) -> go.Figure:
    """Supply stacked above zero, what it feeds besides the load below, and the load as a line."""
    hours = [length * (step + 0.5) for step in range(len(rows))]
    for number, (column, name) in enumerate(SUPPLY):
        if rows[column].abs().max() > 1e-3:
            figure.add_bar(x=hours, y=rows[column], name=name, marker={"color": COLOURS[number]})
    for number, (column, name) in enumerate(USE):
        if rows[column].abs().max() > 1e-3:
            figure.add_bar(x=hours, y=-rows[column], name=name, marker={"color": COLOURS[7 + number]})
    figure.add_scatter(
        x=hours, y=rows["load_mw"], name="load", mode="lines", line={"color": "#000", "width": 2, "shape": "hvh"}
    )
    return figure.update_layout(barmode="relative", bargap=0)


def replayed_week(rows: pd.DataFrame) -> list[go.Figure]:
    """Balance of a site through a replayed week, MW, and energy in its stores, MWh, where it has some."""
    first, count = rows.iloc[0], len(rows)
    begins, ends = int(first["hour"]) // 24 + 1, (int(first["hour"]) + count - 1) // 24 + 1
    place, week = f"{_plain(first['site'])}, {first['year']}", f"{first['week']} week, days {begins} to {ends}"
    drawn = [_balance(_figure(f"{place}: {week}", "MW", "hour of the week"), rows)]
    if rows["stored_mwh"].max() > 1e-3:
        figure = _figure(f"{place}: stored energy, {week}", "MWh", "hour of the week")
        drawn.append(figure.add_scatter(x=list(range(count)), y=rows["stored_mwh"], name="stored", mode="lines"))
    return drawn


def storage(plan: Plan, site: str, year: int, period: str, title: str) -> go.Figure | None:
    """Energy in a site's stores through a representative period, MWh, at the start of each step; None where none is
    used."""
    stores = plan.tables["capacity"].query("site == @site and year == @year and kind == 'storage' and mw > 0")[
        "resource"
    ]
    rows = plan.tables["resource_operation"].query("year == @year and period == @period")
    table = rows[rows["resource"].isin(stores)].pivot_table(
        index="step", columns="resource", values="state_of_charge_mwh", aggfunc="sum"
    )
    if table.empty or table.abs().max().max() < 1e-3:
        return None
    word, length = _period(plan, period), _step_hours(plan)
    figure = _figure(f"{_plain(site)}, {year}: stored energy, {title} ({_plain(period)})", "MWh", f"hour of the {word}")
    for number, name in enumerate(table.columns):
        figure.add_scatter(
            x=[length * step for step in range(len(table))], y=table[name], name=_plain(name), mode="lines",
            line={"color": COLOURS[number % len(COLOURS)], "shape": "linear"},
        )  # fmt: skip
    linked = any(t.storage_linking == "calendar" for t in plan.instance.technologies if t.kind == "storage")
    if linked:
        figure.update_yaxes(title=f"MWh, above the level at which the {word} opens where carried over the year")
    return figure


def value_of_compute(table: pd.DataFrame) -> go.Figure | None:
    """What one more MW of IT at a site's floor or ceiling changes, by year, US$ of present value; None without any."""
    if table.empty:
        return None
    figure = _figure("One more MW of IT at a site: cost of a floor, saving by a ceiling", "US$ of present value per MW")
    for number, name in enumerate(table.columns):
        figure.add_scatter(
            x=list(table.index), y=table[name], name=_plain(name), mode="lines+markers",
            line={"color": COLOURS[number % len(COLOURS)]}, marker={"symbol": number},
        )  # fmt: skip
    return figure


def _step_hours(plan: Plan) -> int:
    manifest = plan.instance.manifest
    return manifest.resolutions[manifest.options.resolution].step_hours


def _period(plan: Plan, period: str) -> str:
    """What a representative period of the plan's resolution is: a day, a week, or so many hours."""
    chosen = plan.instance.manifest.options.resolution
    hours = next(row.hours for row in plan.instance.periods if (row.resolution, row.period) == (chosen, period))
    return {24: "day", 168: "week"}.get(hours, f"period of {hours} hours")


def telling_periods(plan: Plan, site: str, year: int) -> list[tuple[str, str]]:
    """The most frequent period, and the tightest: most unserved and curtailed, then most import; (period, title)."""
    rows = plan.operation.query("site == @site and year == @year")
    by_period = rows.groupby("period", sort=False)
    weight = by_period["weight_hours"].sum()
    short = (by_period["unserved_mw"].sum() + by_period["curtailed_mw"].sum()) * 1e6 + by_period["import_mw"].max()
    typical, tight = str(weight.idxmax()), str(short.idxmax())
    named = [(tight, "tightest"), *([(typical, "most frequent")] if typical != tight else [])]
    return [(period, f"{word} representative {_period(plan, period)}") for period, word in named]


def _with_room_for_legend(figure: go.Figure) -> go.Figure:
    """A long legend under a chart takes height from it: give that back."""
    rows = 2 * len(figure.data) if figure.layout.legend.orientation == "v" else math.ceil(len(figure.data) / 3)
    return figure.update_layout(height=figure.layout.height + 20 * rows)


def as_html(figures: Iterable[go.Figure]) -> list[str]:
    """Fragments without the plotly script, which stands in the page once."""
    config = {"displayModeBar": False, "responsive": True}
    roomy = map(_with_room_for_legend, figures)
    return [figure.to_html(full_html=False, include_plotlyjs=False, config=config) for figure in roomy]
