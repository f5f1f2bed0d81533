"""Draw the picture of the README from a run: ``python instances/stargate-us/make_picture.py RUN``.

Needs matplotlib, which comes with the extra ``pypsa``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from optimizer import Plan, read_plan

TARGET = Path(__file__).parent / "result.png"
#: Okabe and Ito's palette, readable by colour-blind people, and greys.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000", "#7f7f7f", "#bdbdbd"]
MARKERS = "osD^v"


def funding(axes: Axes, plan: Plan) -> None:
    """MW entering service by year: plant by technology, storage, and all wires together."""
    family = plan.allocation["technology"].str.removesuffix("_island").str.replace("_", " ")
    family = family.mask(plan.allocation["kind"] == "storage", "storage")
    family = family.mask(plan.allocation["kind"] == "wires", "grid connections and lines")
    rows = plan.allocation.assign(family=family)
    table = rows.pivot_table(index="year", columns="family", values="mw", aggfunc="sum", fill_value=0.0)
    table = table.loc[:, table.sum().sort_values(ascending=False).index]
    table.plot.bar(stacked=True, ax=axes, color=COLOURS, width=0.8, rot=0)
    axes.set(title="What is funded", xlabel="", ylabel="MW entering service")
    axes.legend(fontsize=7, ncols=2, frameon=False)


def rates(axes: Axes, plan: Plan) -> None:
    """Change of every class's rate in every year against the same year without the sites, and the limit."""
    for number, (name, rows) in enumerate(plan.rates.groupby("utility", sort=False)):
        colour = COLOURS[number % len(COLOURS)]
        axes.scatter(
            rows["year"] + 0.12 * (number - 2), rows["change_cents_per_kwh"], label=name, s=16, color=colour,
            marker=MARKERS[number % len(MARKERS)], alpha=0.8,
        )  # fmt: skip
    axes.axhline(0.0, color="#444", linestyle="--", linewidth=1, label="limit: no rise")
    axes.set(title="What it does to local rates, class by class", xlabel="", ylabel="cents per kWh, real")
    axes.set_xticks(sorted(set(plan.rates["year"])))
    axes.legend(fontsize=7, frameon=False)


def main(run: str) -> None:
    plan = read_plan(run)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    funding(left, plan)
    rates(right, plan)
    name, options = plan.instance.manifest.name, plan.instance.manifest.options
    figure.suptitle(f"{name}, {options.resolution} resolution, illustrative", fontsize=9, color="#555")
    figure.savefig(TARGET, dpi=110)


if __name__ == "__main__":
    main(sys.argv[1])
