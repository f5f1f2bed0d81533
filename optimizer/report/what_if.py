"""Charts of what-ifs: a tornado, a front, runs side by side; each one HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from optimizer.compare import Comparison
from optimizer.report.figures import COLOURS, _figure, _plain, as_html
from optimizer.report.html import environment


def tornado_figure(table: pd.DataFrame) -> go.Figure:
    """Change of the cost at the low and the high value of each driver, the widest swing on top, M$."""
    rows = table.dropna(subset=["swing_usd"]).iloc[::-1]
    figure = _figure("Change of the cost by each driver alone", "", "M$ of present value", height=120 + 36 * len(rows))
    for number, end in enumerate(("low", "high")):
        labels = [f"{value:g}" for value in rows[end]]
        figure.add_bar(
            y=[_plain(name) for name in rows["driver"]], x=rows[f"{end}_change_usd"] / 1e6, text=labels,
            orientation="h", name=f"{end} value", marker={"color": COLOURS[number]},
        )  # fmt: skip
    return figure.update_layout(barmode="overlay")


def front_figure(table: pd.DataFrame) -> go.Figure:
    """Cost against the other measure, and the bound that no plan lies below, M$."""
    against, unit = str(table["against"].iloc[0]), str(table["unit"].iloc[0])
    figure = _figure(f"Cost against {_plain(against)}", "M$ of present value", f"{_plain(against)}, {_plain(unit)}")
    figure.add_scatter(
        x=table["value"], y=table["cost_usd"] / 1e6, name="plan", mode="lines+markers", line={"color": COLOURS[0]}
    )
    figure.add_scatter(
        x=table["value"], y=table["bound_usd"] / 1e6, name="no plan costs less", mode="lines",
        line={"color": "#444", "dash": "dash"},
    )  # fmt: skip
    return figure


def comparison_figures(found: Comparison, names: Sequence[str]) -> list[go.Figure]:
    """Funding over all years, cost and rates of runs side by side where they differ."""
    runs = list(names)
    funding = found.funding.groupby(["place", "technology", "funding_mode"], as_index=False)[runs].sum()
    return [
        _side_by_side("Funding that differs", "MW", _joined(funding, 3), funding[runs]),
        _side_by_side("Costs that differ", "M$ of present value", found.costs["name"], found.costs[runs] / 1e6),
        _side_by_side(
            "Highest change of rates that differs", "cents per kWh", _joined(found.rates, 2), found.rates[runs]
        ),
    ]


def _joined(table: pd.DataFrame, columns: int) -> list[str]:
    """Labels from the first columns of a table."""
    return [", ".join(map(str, row)) for row in table.iloc[:, :columns].itertuples(index=False)]


def _side_by_side(title: str, unit: str, labels: Iterable[object], table: pd.DataFrame) -> go.Figure:
    figure = _figure(title, "", unit, height=160 + 18 * len(table) * len(table.columns))
    places = [_plain(label) for label in labels]
    for number, name in enumerate(table.columns):
        colour = COLOURS[number % len(COLOURS)]
        figure.add_bar(y=places, x=table[name], name=_plain(name), orientation="h", marker={"color": colour})
    return figure.update_layout(barmode="group").update_yaxes(autorange="reversed", automargin=True)


def page(title: str, drawn: Iterable[go.Figure]) -> str:
    """Charts as one page that needs nothing but itself."""
    template = environment().get_template("charts.html")
    return template.render(title=title, charts=as_html(drawn), plotly=get_plotlyjs())
