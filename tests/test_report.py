"""Reports: whole in one file, figures of the tables, harmless names; drawn in a browser where there is one."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from test_cli import within
from toy import plant, solved, toy

from optimizer import Plan, apply_overrides, read_instance, read_plan, solve
from optimizer.explain import marginal_values
from optimizer.replay.weeks import FLOWS
from optimizer.report import community_html, figures, report_html
from optimizer.report.html import REPLAYED, WEEKLY, _dispatch, _weeks
from optimizer.report.limits import what_binds
from optimizer.report.money import asked, capital_by_place
from optimizer.report.sensitivity import discounting, sensitivities
from optimizer.returns import npv

ONE_SITE = Path(__file__).parents[1] / "instances" / "one-site"
HOSTILE = "<script>alert(1)</script>"


@cache
def one_site() -> Plan:
    return solve(read_instance(ONE_SITE), gap=1e-6)


@cache
def hostile() -> Plan:
    return solve(
        toy(
            plant(HOSTILE, site=HOSTILE, variable_om_usd_per_mwh=10),
            sites=[{"site": HOSTILE, "zone": "valley", "existing_poi_mw": 100.0, "latitude": 40.0, "longitude": -90.0}],
            site_years=[{"site": HOSTILE, "year": 2026, "floor_mw": 50.0, "ceiling_mw": 50.0}],
            compute_demand=[{"year": 2026, "it_mw": 150.0}],
            manifest={"title": HOSTILE},
        )
    )


def test_the_page_says_cost_status_and_pledge() -> None:
    page = report_html(one_site())
    assert "132.408 million US$" in page
    assert "<b>optimal</b>, no cheaper plan exists" in page
    assert "Pledge: kept." in page


def test_every_funded_row_stands_in_the_page() -> None:
    page = report_html(one_site())
    for row in one_site().allocation.itertuples():
        assert f"<td>{row.option}</td>" in page
        assert f'data-v="{row.mw}"' in page


def test_nothing_is_fetched() -> None:
    for page in (report_html(one_site()), community_html(one_site(), "campus"), community_html(hostile(), HOSTILE)):
        assert """http-equiv="Content-Security-Policy" content="default-src 'none'; script-src""" in page
        assert not re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?!data:)[^"]+"', page)
        assert "@import" not in page


def test_names_from_data_are_text() -> None:
    page = report_html(hostile())
    assert page.count("<script>alert(1)") == 0
    assert "&lt;script&gt;alert(1)" in page
    assert community_html(hostile(), HOSTILE).count("<script>alert(1)") == 0


def test_the_community_page_speaks_of_its_site() -> None:
    page = community_html(one_site(), "campus")
    assert "In no year would any class of customers of valley_power pay a higher rate than without the project." in page
    assert "grid connection (substation)" in page
    assert "the utility pays for it and bills the project" in page
    (row,) = re.findall(r"<tr><td>residential</td>.*?</tr>", page)
    # instances/one-site/README.md, section 5: 150 US$/MWh without the project, 0.15 less with it in 2028
    kwh = next(c.typical_monthly_kwh for c in one_site().instance.customer_classes if c.customer_class == "residential")
    assert f">{kwh:,.0f}</td>" in row and f">{0.15 * kwh:,.0f}</td>" in row and f">{-0.00015 * kwh:,.2f}</td>" in row
    exposure = one_site().tables["stranding"]["exposure_usd"].max() / 1e6
    assert f"{exposure:,.1f}" in page


def test_a_rise_is_told_where_no_typical_bill_is_known() -> None:
    plan = one_site()
    classes = [one.model_copy(update={"typical_monthly_kwh": 0.0}) for one in plan.instance.customer_classes]
    instance = dataclasses.replace(plan.instance, customer_classes=classes)
    dearer = plan.rates.assign(change_cents_per_kwh=0.25, typical_bill_change_usd_per_month=0.0)
    page = community_html(
        dataclasses.replace(plan, instance=instance, tables={**plan.tables, "rates": dearer}), "campus"
    )
    assert "would pay 0.250 cents per kWh more than without the project" in page
    assert page.count("no typical bill is known") == len(classes)


def test_capital_stands_by_place_payer_and_year() -> None:
    found = capital_by_place(one_site())
    rows = one_site().allocation
    assert found["total"].sum() == pytest.approx(rows["capex_usd"].sum())
    for mode, usd in rows.groupby("funding_mode")["capex_usd"].sum().items():
        assert found[mode].sum() == pytest.approx(usd)
    for year, usd in rows.groupby("year")["capex_usd"].sum().items():
        assert found[str(year)].sum() == pytest.approx(usd)
    assert "<td>all places</td>" in report_html(one_site())


def test_what_the_sponsor_is_asked_for_by_hand() -> None:
    """instances/one-site/README.md: 1.5 M$ of own plant, 27 M$ of the utility's; salvage is no cash."""
    found = asked(one_site())
    cost = (49.162e6, 52.57e6, 64.66e6)
    assert (found.sponsor, found.utilities) == pytest.approx((1.5e6, 27e6))
    assert (found.most_paid, found.most_paid_year) == (pytest.approx(sum(cost)), 2028)
    assert found.value_left == pytest.approx(0.375e6 * 0.8**3)
    assert f"<b>{sum(cost) / 1e9:.3f}</b> billion in all" in report_html(one_site())


def test_a_run_whose_cash_still_held_penalties_is_read_without_them(tmp_path: Path) -> None:
    plan = one_site()
    penalty = pd.DataFrame({"calendar_year": [2026], "name": ["unserved_penalty"], "usd": [1e9]})
    with_it = dataclasses.replace(
        plan, tables={**plan.tables, "cash_flow": pd.concat([plan.cash_flow, penalty], ignore_index=True)}
    )
    found = read_plan(with_it.save(tmp_path / "run"))
    assert sum(sum(bar.y) for bar in figures.cash(found).data) == pytest.approx(plan.cash_flow["usd"].sum() / 1e6)
    assert asked(found) == asked(plan)


def test_sensitivities_by_hand() -> None:
    found = sensitivities(one_site()).set_index("change")["change_of_cost_usd"]
    assert found["plant worth nothing at the end"] == pytest.approx(0.375e6 * 0.8**3)
    assert found["capital 10 % dearer, worth no more at the end"] == pytest.approx(0.15e6)
    bills = one_site().costs.query("name == 'tariff_bills'")["present_value_usd"].sum()
    assert found["bills of utilities 10 % higher"] == pytest.approx(0.1 * bills)
    cost = (49.162e6, 52.57e6, 64.66e6, -0.375e6)
    change = npv(0.26, cost) - npv(0.25, cost)
    assert found["cash discounted at one point more a year, value left as it is"] == pytest.approx(change)
    annuity = apply_overrides(one_site().instance, ["finance.capital_view=annuity"])
    assert not discounting(dataclasses.replace(one_site(), instance=annuity))


def test_what_binds_and_the_value_of_compute_stand_in_the_page() -> None:
    """An eleventh MW at the campus costs what the marginal values say; without them the section is left out."""
    plan = one_site()
    margins = marginal_values(plan)
    page = report_html(plan, margins)
    assert "What binds, and what one unit more would change" in page
    assert "what one unit more would change" not in report_html(plan)
    for name in what_binds(margins)["what binds"]:
        assert f"<td>{name}</td>" in page


def test_stored_energy_is_drawn_where_there_is_a_store() -> None:
    plan = solved(
        toy(
            plant("store", kind="storage", block_mw=10, max_blocks=2, capex_usd_per_kw=1, min_duration_hours=2,
                  max_duration_hours=2, charge_efficiency=1.0, discharge_efficiency=1.0),
            price=[10.0, 10.0, 200.0, 200.0], site={"existing_poi_mw": 140.0},
        )
    )  # fmt: skip
    assert "stored energy" in report_html(plan)
    assert "stored energy" not in report_html(one_site())
    (chart,) = (c for c in _dispatch(plan) if "stored energy" in c.layout.title.text)
    assert max(chart.data[0].y) == pytest.approx(plan.tables["resource_operation"]["state_of_charge_mwh"].max())
    assert list(chart.data[0].x) == [0, 1, 2, 3]  # a state is that at the start of its step
    assert list(chart.data[0].y)[:3:2] == pytest.approx([0.0, 40.0])


@pytest.mark.parametrize(("hours", "word"), [(24, "day"), (168, "week"), (12, "period of 12 hours")])
def test_a_representative_period_is_called_what_it_is(hours: int, word: str) -> None:
    (chart,) = _dispatch(solved(toy(hours=hours)))
    assert f"tightest representative {word} (" in chart.layout.title.text
    assert chart.layout.xaxis.title.text == f"hour of the {word}"


def test_weeks_of_a_replay_are_drawn() -> None:
    hours = pd.DataFrame({"site": "campus", "week": "worst", "year": 2030, "hour": range(168, 336)}).assign(
        **{**dict.fromkeys(FLOWS, 0.0), "load_mw": 100.0, "stored_mwh": 5.0}
    )
    hours["import_mw"] = 100.0 - (hours["hour"] % 24)
    balance, stored = _weeks(hours)
    assert balance.layout.title.text == "campus, 2030: worst week, days 8 to 14"
    assert list(balance.data[0].y) == hours["import_mw"].tolist() and max(stored.data[0].y) == 5.0
    replayed = "in its worst and in a typical week, as replayed"
    assert replayed in report_html(one_site(), hours=hours)
    without = report_html(one_site())
    assert replayed not in without and "optimizer replay RUN" in without


def test_charts_say_what_is_funded_and_when() -> None:
    """Wires are one series; the map tells each site's share; hours, not steps, stand on the axis."""
    plan = one_site()
    funded = figures.funding_by_year(plan)
    assert sum(sum(bar.y) for bar in funded.data) == pytest.approx(plan.allocation["mw"].sum())
    assert "grid connections and lines" in {bar.name for bar in funded.data}
    (site,) = figures.site_map(hostile()).data
    mw, usd = hostile().allocation["mw"].sum(), hostile().allocation["capex_usd"].sum() / 1e6
    assert site.name == f"1 &lt;script&gt;alert(1)&lt;/script&gt;: {usd:,.0f} M$<br>plant {mw:,.0f} MW"
    plan = solved(toy(hours=8, price=50.0, step_hours=2))
    (chart,) = _dispatch(plan)
    assert list(chart.data[0].x) == [1.0, 3.0, 5.0, 7.0]


def test_a_replay_is_told() -> None:
    plan = one_site()
    year = dict.fromkeys([name for name, _, _ in REPLAYED], 2e6)
    lost = dict.fromkeys(("eue_mwh", "eue_half_width_mwh", "lolh", "lolh_half_width"), 12.5)
    entry = {
        "outages": [{"site": "campus", "year": 2026, **lost, "availability": 0.99857, "target": 0.9998}],
        "misses": ["load served, campus, 2030: 2, against 1"],
        "errors": dict.fromkeys(("objective", "load", "peak_import"), -0.01),
        "years": [{"year": 2026, **year, **{f"planned_{name}": 1e6 for name in year}}],
    }
    weeks = pd.DataFrame({"year": [2026], "week": [24], "first_hour": [4032], **{name: [123.4] for name in WEEKLY}})
    page = report_html(dataclasses.replace(plan, manifest={**plan.manifest, "replay": entry}), weeks=weeks)
    assert "The plan misses 1 limit: load served, campus, 2030: 2, against 1." in page
    assert "cost changes by 1.0 %" in page
    assert ">99.857</td>" in page and ">99.980</td>" in page  # not 1.0, as a share to one decimal would be
    assert "import, GWh, replayed" in page and 'data-v="2000.0"' in page
    assert "The worst weeks of all years" in page and 'data-v="4032"' in page


def test_an_island_has_no_rates() -> None:
    assert "no grid connection" in community_html(hostile(), HOSTILE)


def test_command_line(tmp_path: Path) -> None:
    run = one_site().save(tmp_path / "run")
    assert within("report", run)[0] == 0
    assert (tmp_path / "run.html").stat().st_size > 1e6
    assert within("report", run, "--site", "campus", "-o", tmp_path / "campus.html")[0] == 0
    code, _, err = within("report", run, "--site", "nowhere")
    assert code == 2 and "it has campus" in err
    code, _, err = within("report", run, "-o", tmp_path / "no" / "folder.html")
    assert code == 2 and "cannot be written" in err


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


def browse(page: str, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Open a page in a browser that finds no other host."""
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        f"--user-data-dir={tempfile.mkdtemp(dir=folder)}", "--enable-logging=stderr", "--virtual-time-budget=8000",
        "--host-resolver-rules=MAP * ~NOTFOUND", *flags, file.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def ten_years() -> Plan:
    """The one site's plan with its rates and stranding stretched over ten years and four classes."""
    plan = one_site()
    rates = plan.rates[plan.rates["year"] == 2026].head(1)
    exits = plan.tables["stranding"].head(1)
    years = range(2026, 2036)
    stretched = {
        "rates": pd.concat([rates.assign(year=year, customer_class=f"class {n}") for n in range(4) for year in years]),
        "stranding": pd.concat([exits.assign(exit_year=year, exposure_usd=9876.5e6) for year in years]),
    }
    one = plan.instance.customer_classes[0]
    classes = [one.model_copy(update={"customer_class": f"class {n}"}) for n in range(4)]
    instance = dataclasses.replace(plan.instance, customer_classes=classes)
    return dataclasses.replace(plan, instance=instance, tables={**plan.tables, **stretched})


@in_a_browser
@pytest.mark.parametrize("page", [lambda: report_html(one_site()), lambda: report_html(hostile())])
def test_a_browser_draws_every_chart_without_complaint(page: Callable[[], str], tmp_path: Path) -> None:
    """What the policy of the page forbids, such as a request, would be a complaint on the console."""
    drawn = browse(page(), tmp_path, "--dump-dom")
    assert drawn.stdout.count('class="main-svg"') >= drawn.stdout.count('class="plotly-graph-div')
    assert drawn.stdout.count('class="plotly-graph-div') > 3
    assert "CONSOLE" not in drawn.stderr


@in_a_browser
def test_a_click_on_a_heading_sorts_by_figures(tmp_path: Path) -> None:
    """9.5 stands before 10, which as text it would not; a second click turns the order."""
    rows = one_site().allocation.head(1)
    many = pd.concat([rows.assign(option=f"option {mw}", mw=mw) for mw in (10.0, 9.5, 200.0)])
    plan = dataclasses.replace(one_site(), tables={**one_site().tables, "allocation": many})
    # after each click a copy of the table is put at the end of the page
    script = """
    const head = [...document.querySelectorAll("th button")].find(button => button.textContent === "MW");
    for (const _ of [1, 2]) { head.click(); document.body.append("clicked", head.closest("table").cloneNode(true)); }
    """
    page = report_html(plan).replace("</body>", f"<script>{script}</script></body>")
    _, *copies = browse(page, tmp_path, "--dump-dom").stdout.split("clicked<table")
    orders = (("ascending", ["9.5", "10.0", "200.0"]), ("descending", ["200.0", "10.0", "9.5"]))
    for copy, (sort, order) in zip(copies, orders, strict=True):
        assert re.findall(r"<td>option ([\d.]+)</td>", copy) == order
        assert f'aria-sort="{sort}"' in copy


@in_a_browser
@pytest.mark.parametrize("plan", [one_site, ten_years])
def test_the_community_page_prints_on_two_pages(plan: Callable[[], Plan], tmp_path: Path) -> None:
    for paper in ("letter", "A4"):
        page = community_html(plan(), "campus").replace("@page {", f"@page {{ size: {paper};")
        printed = tmp_path / f"{paper}.pdf"
        told = browse(page, tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={printed}")
        assert len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes())) == 2
        assert "CONSOLE" not in told.stderr
