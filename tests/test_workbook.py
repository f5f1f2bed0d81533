"""The workbook of a run: cached figures are the plan's, formulas give them again, text stays text."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
import xlsxwriter
from small_instance import small_instance_folder
from test_cli import within
from test_report import HOSTILE, hostile, one_site
from toy import plant, solved, toy

from optimizer import Plan, read_instance, solve
from optimizer.check.tables import COST_NAMES
from optimizer.overrides import apply_overrides
from optimizer.report.parties import PAID_TO
from optimizer.report.sensitivity import sensitivities
from optimizer.report.workbook import write_workbook
from optimizer.returns import irrs, npv
from optimizer.show import present_mwh

SOFFICE = shutil.which("soffice") or shutil.which("libreoffice")
MARKUP, CRITERION = "<r><x/></r>", '*">=1+1'
TABLES = {"Adequacy": "adequacy", "Make-whole": "make_whole", "Utility costs": "revenue_requirement"}
SHEETS = [
    *("Summary", "Investment plan", "Costs", "Sources and uses", "Capital by place", "Cash flow"),
    *("After tax", "Return", "Sensitivities", "Rates"),
    *("Rate bridge", "Tariff bills", "Shared networks", "Make-whole", "Utility costs", "Stranding", "Adequacy"),
    *("Emissions", "Payers and recipients", "Checks", "Manifest"),
]


@cache
def portfolio(folder: Path, *overrides: str) -> Plan:
    """Two campuses, two utilities, a stack zone, taxes, carbon, shared networks."""
    base = folder / "portfolio"
    made = read_instance(base if base.exists() else small_instance_folder(folder).rename(base))
    return solve(apply_overrides(made, ["options.resolution=coarse", *overrides]), gap=0.01)


@cache
def taxed() -> Plan:
    """One plant of 10 M$, a credit of 30 %, five-year depreciation, a tax of 25 %; no interest, no inflation."""
    finance = {"tax_view": True, "tax_rate": 0.25}
    credit = {"technology": "turbine", "first_year": 2026, "last_year": 2026, "itc_share": 0.3}
    turbine = plant("turbine", capex_usd_per_kw=1000.0, macrs_years=5)
    return solved(toy(turbine, finance=finance, tax_credits=[credit]))


@cache
def strange_names() -> Plan:
    """Names that look like markup, like a criterion of SUMIF, and like a formula."""
    return solved(
        toy(
            plant(MARKUP, variable_om_usd_per_mwh=10),
            plant(CRITERION, variable_om_usd_per_mwh=11),
            plant(
                "=1+1", here={"funding_modes": "utility", "utility": "town"}, variable_om_usd_per_mwh=12, zone="valley"
            ),
            utility={},
            tariff={"energy_usd_per_mwh": 60.0},
            classes={MARKUP: {"bill_credit_share": 0.5, "pools": 0.4}, CRITERION: {"pools": 0.6}},
            manifest={"title": MARKUP},
        )
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workbooks")


@pytest.fixture(scope="module")
def books(folder: Path) -> dict[str, Path]:
    """Workbooks by name, and one whose cached value is wrong."""
    with_tax = portfolio(folder, "finance.tax_view=true")
    plans: dict[str, tuple[Plan, dict[str, Any]]] = {
        "one_site": (one_site(), {}),
        "hostile": (hostile(), {}),
        "strange": (strange_names(), {"others": {MARKUP: strange_names()}}),
        "taxed": (taxed(), {"charge_usd_per_mwh": 60.0}),
        "portfolio": (with_tax, {"charge_usd_per_mwh": 150.0, "others": {"=untaxed": portfolio(folder)}}),
        "annuity": (portfolio(folder, "finance.capital_view=annuity", "rates.enforce=false"), {}),
    }
    files = {name: folder / f"{name}.xlsx" for name in plans}
    for name, (plan, options) in plans.items():
        write_workbook(plan, files[name], **options)
    return files


def labelled(sheet: Any) -> dict[str, Any]:
    """First column -> second."""
    return {row[0].value: row[1].value for row in sheet.iter_rows(min_row=3, max_col=2) if row[0].value is not None}


def read(file: Path) -> Any:
    return openpyxl.load_workbook(file, data_only=True)


values = cache(read)  # of workbooks that many tests look at


def checks(file: Path) -> dict[str, float]:
    book = openpyxl.load_workbook(file, data_only=True, read_only=True)  # the other sheets are left alone
    found = {name: value for name, value in labelled(book["Checks"]).items() if name != "check"}
    book.close()
    return found


def written(plan: Plan, folder: Path, **options: Any) -> Any:
    write_workbook(plan, folder / "run.xlsx", **options)
    return read(folder / "run.xlsx")


# -- figures ----------------------------------------------------------------------------------------------


def test_figures_are_those_of_the_plan(books: dict[str, Path]) -> None:
    book, cost = values(books["one_site"]), one_site().objective_usd
    assert book.sheetnames == SHEETS
    summary = labelled(book["Summary"])
    assert summary["cost, present value, US$"] == cost
    assert summary["NPV of the cash flow, real, US$"] == pytest.approx(cost, rel=1e-12)
    assert summary["cost per MWh delivered, US$/MWh"] == pytest.approx(cost / present_mwh(one_site()), rel=1e-12)
    assert summary["pledge"] == "kept"
    # instances/one-site/README.md, section 5: 1.5 M$ of own plant, 0.192 of it left; 27 M$ of the utility; three years
    assert summary["capital of the sponsor, real US$"] == pytest.approx(1.5e6)
    assert summary["capital of utilities, real US$"] == pytest.approx(27e6)
    assert summary["most that the sponsor has paid out, real US$"] == pytest.approx(49.162e6 + 52.57e6 + 64.66e6)
    assert summary["value left in plant at the end, present value, US$"] == pytest.approx(0.192e6)
    assert summary["cost if that is worth nothing, present value, US$"] == pytest.approx(cost + 0.192e6)
    assert summary["make-whole, sum, real US$"] == pytest.approx(one_site().tables["make_whole"]["usd"].sum())
    assert summary["replay of every hour"] == "not done"
    assert summary["exposure not covered, US$"] == 0
    assert summary["checks that are not 0"] == 0
    # no tax: a charge that covers the cost returns the discount rate
    assert summary["charge to the campuses, US$/MWh"] == pytest.approx(cost / present_mwh(one_site()), rel=1e-12)
    assert summary["IRR at this charge, real, before tax"] == pytest.approx(0.25, abs=1e-12)


def test_capital_by_place_is_that_of_the_allocation(books: dict[str, Path], folder: Path) -> None:
    rows = list(values(books["portfolio"])["Capital by place"].iter_rows(min_row=4, values_only=True))
    heads, *places, sums = [row for row in rows if row[0]]
    allocation = portfolio(folder, "finance.tax_view=true").allocation
    years = allocation.groupby("year")["capex_usd"].sum()
    assert sums[4] == pytest.approx(allocation["capex_usd"].sum())
    assert [sums[heads.index(year)] for year in years.index] == pytest.approx(years.tolist())
    for row in places:
        assert sum(row[1:4]) == pytest.approx(row[4]) == pytest.approx(sum(row[5:]))
    at_sites = allocation[allocation["site"] != ""].groupby("site")["capex_usd"].sum()
    assert {row[0]: row[4] for row in places if row[0] in at_sites.index} == pytest.approx(at_sites.to_dict())


def test_sensitivities_are_those_of_the_page(books: dict[str, Path], folder: Path) -> None:
    for name, plan in (("one_site", one_site()), ("portfolio", portfolio(folder, "finance.tax_view=true"))):
        rows = {row[0]: row[2] for row in values(books[name])["Sensitivities"].iter_rows(min_row=5, values_only=True)}
        found = sensitivities(plan).set_index("change")["change_of_cost_usd"].to_dict()
        assert {change: rows[change] for change in found} == pytest.approx(found)
        assert all(abs(rows[change]) < 1 for change in set(rows) - set(found) - {None})


def test_a_replay_that_misses_is_told_first(tmp_path: Path) -> None:
    missed = replace(one_site(), manifest={**one_site().manifest, "replay": {"misses": ["load served, campus: 2"]}})
    assert labelled(written(missed, tmp_path)["Summary"])["replay of every hour"] == "misses limits"


@pytest.mark.parametrize("name", ["one_site", "hostile", "strange", "taxed", "portfolio", "annuity"])
def test_every_check_is_zero(books: dict[str, Path], name: str) -> None:
    found = checks(books[name])
    assert len(found) >= 9
    assert set(found.values()) == {0}


PAYMENT = "what payers' books say is what recipients' books say, payment by payment"
BRIDGE = "rates with the project are those of the bridge, class by class, cents/kWh"


@pytest.mark.parametrize(
    ("table", "change", "check"),
    [
        ("make_whole", {"usd": 1e6}, "make-whole of the classes is what is paid"),
        ("rates", {"make_whole_usd": -1e6}, PAYMENT),
        ("rates", {"bill_credit_usd": -1e6}, PAYMENT),
        ("rates", {"local_cost_change_usd": 1e6}, BRIDGE),
        ("rates", {"local_cost_change_usd": 1e6}, "no class pays more than its limit, cents/kWh"),
        ("bills", {"demand_usd": 1e6, "total_usd": 1e6}, PAYMENT),
        ("revenue_requirement", {"usd": 1e6}, BRIDGE),
        ("revenue_requirement", {"component": "y"}, "utilities keep nothing but bills that no class is credited"),
        ("allocation", {"capex_usd": 1e6}, "sources are uses"),
        ("cash_flow", {"usd": 1e6}, "NPV of the cash flow, and what is not cash, are the cost of the plan"),
        ("costs", {"present_value_usd": 1e6}, "costs add up to the cost of the plan"),
    ],
)
def test_a_wrong_figure_is_seen(table: str, change: dict[str, Any], check: str, tmp_path: Path) -> None:
    wrong = one_site().tables[table].copy()
    for column, difference in change.items():
        wrong.loc[0, column] += difference
    write_workbook(replace(one_site(), tables={**one_site().tables, table: wrong}), tmp_path / "run.xlsx")
    assert checks(tmp_path / "run.xlsx")[check] != 0


def test_every_cost_has_a_recipient() -> None:
    assert set(PAID_TO) == set(COST_NAMES)


@pytest.mark.parametrize(("sheet", "table"), TABLES.items())
def test_tables_stand_whole_and_exact(books: dict[str, Path], folder: Path, sheet: str, table: str) -> None:
    frame = portfolio(folder, "finance.tax_view=true").tables[table]
    rows = list(values(books["portfolio"])[sheet].iter_rows(min_row=5, max_col=len(frame.columns), values_only=True))
    assert rows[: len(frame)] == [tuple(row) for row in frame.itertuples(index=False)]


def test_rates_and_their_bridge_of_the_hand_solved_case(books: dict[str, Path]) -> None:
    book = values(books["one_site"])
    rows = {row[:3]: row for row in book["Rates"].iter_rows(min_row=5, values_only=True)}
    # instances/one-site/README.md, section 5: 150 US$/MWh without, 149.85 with
    row = rows["valley_power", "residential", 2028]
    assert row[3:8] == pytest.approx((15.0, 14.985, -0.015, 0.0, 0.015))
    assert rows["valley_power", "residential", 2026][8] == "yes"
    assert row[10:13] == pytest.approx((0.15 * row[9], 0.14985 * row[9], -0.00015 * row[9]))
    causes = {row[:3]: row[5:] for row in book["Rate bridge"].iter_rows(min_row=5, max_col=16, values_only=True)}
    # 60 % of plant 0.43 * 27 M$ and of upkeep 0.3; half of the energy 32.85; half of the bill 44.478; make-whole 1.332
    expected = (6.966e6, 0.18e6, 16.425e6, 0, 0, 0, -22.239e6, 0, -1.332e6, 0, 15.0)
    assert causes["valley_power", "residential", 2026] == pytest.approx(expected, abs=1)


def test_the_waterfall_ends_at_the_change(books: dict[str, Path]) -> None:
    sheet = values(books["one_site"])["Rate bridge"]
    steps = {
        row[0]: row[1:10] for row in sheet.iter_rows(min_row=8, min_col=18, max_col=27, values_only=True) if row[0]
    }
    change = steps.pop("change of the rate")[0]
    assert change == pytest.approx(sum(row[0] for row in steps.values()))
    for value, start, end, *bars in steps.values():
        assert end - start == pytest.approx(value)
        assert sum(bars[1:3]) - sum(bars[4:6]) == pytest.approx(abs(value))


# -- money after tax, returns ------------------------------------------------------------------------------


def test_tax_by_hand(books: dict[str, Path]) -> None:
    sheet = values(books["taxed"])["After tax"]
    rows = {row[0]: row[2:4] for row in sheet.iter_rows(min_row=5, max_col=4, values_only=True) if row[0]}
    running = 90 * 8760 * 50  # the plant saves 10 of 100 MW
    # credit 3 M$; basis 10 - 3/2 = 8.5 M$, 20 % of it in 2026 and the rest when the horizon ends
    assert rows["investment and production credits"] == pytest.approx((-3e6, 0))
    assert rows["depreciation and basis left (not cash)"] == pytest.approx((1.7e6, 6.8e6))
    # the plan's factor is (1 - 0.3 - 0.25 * 0.85) / 0.75 = 0.65, and 9 of 10 years are left: 9 * 0.65 = 5.85 M$
    assert rows["value left in own plant"] == pytest.approx((0, -5.85e6))
    assert rows["income tax saved"] == pytest.approx((-0.25 * (running + 1.7e6), -0.25 * (6.8e6 - 5.85e6)))
    after = (running + 10e6 - 3e6 - 0.25 * (running + 1.7e6), -5.85e6 - 0.25 * 0.95e6)
    assert rows["cash after tax"] == pytest.approx(after)
    assert rows["before taxes and credits, real US$"] == pytest.approx((running + 10e6, -9e6))
    # without interest the timing of taxes does not matter: the plan's one factor gives the same
    assert sum(after) == pytest.approx(0.75 * taxed().objective_usd)


def test_return_of_a_charge_by_hand(books: dict[str, Path]) -> None:
    found = {row[0].value: row[1:4] for row in values(books["taxed"])["Return"].iter_rows(min_row=4, max_row=11)}
    # before tax: 60 * 876,000 = 52.56 M$ less 49.42 M$ at once, and 9 M$ a year later: nothing is ever put in
    assert found["IRR, real"][0].value == found["IRR, nominal"][0].value == "none found"
    assert found["every IRR, real, as first written"][0].value == "no IRR"
    assert found["NPV, real US$"][0].value == pytest.approx(52.56e6 - 39.42e6 - 10e6 + 9e6)


def test_charge_that_a_return_needs(tmp_path: Path) -> None:
    turbine = plant("turbine", capex_usd_per_kw=500.0, life_years=2)
    sheet = written(solved(toy(turbine)), tmp_path)["Return"]
    charges = {row[0]: row[2] for row in sheet.iter_rows(min_row=20, max_col=3, values_only=True) if row[2]}
    # 39.42 M$ of energy and 5 M$ of plant, half of which is left a year later; 876,000 MWh
    assert charges[0] == pytest.approx((44.42 - 2.5) / 0.876)
    assert charges[0.2] == pytest.approx((44.42 - 2.5 / 1.2) / 0.876)


def test_without_dates_of_spending_there_is_no_return(books: dict[str, Path]) -> None:
    book = values(books["annuity"])
    for name in ("After tax", "Return"):
        assert "finance.capital_view=cash" in book[name]["A2"].value


def test_return_of_choosing_one_plan_instead_of_another(tmp_path: Path) -> None:
    turbine = plant("turbine", capex_usd_per_kw=1500.0)
    with_it = solved(toy(turbine, years=(2026, 2027)))
    without = solved(apply_overrides(with_it.instance, ["funding_options.turbine.max_blocks=0"]))
    sheet = written(with_it, tmp_path, others={"buy": without}, name="build")["Scenario comparison"]
    rows = {row[0]: row[1:] for row in sheet.iter_rows(min_row=4, values_only=True) if row[0]}
    # 15 M$ less 4.38 M$ saved in 2026, 4.38 in 2027, 8/10 of 15 M$ left: 12 x^2 + 4.38 x = 10.62, x = 0.775783
    assert rows["saved against buy"][1:4] == pytest.approx((-10.62e6, 4.38e6, 12e6))
    assert rows["buy"][:3] == (pytest.approx(5.76e6), pytest.approx(0.289020, abs=1e-6), "28.90 %")


def test_inputs_that_differ_are_told(tmp_path: Path) -> None:
    base = solved(toy(plant("turbine", capex_usd_per_kw=1500.0), years=(2026, 2027)))
    dear = solved(apply_overrides(base.instance, ["technologies.turbine.capex_usd_per_kw*=1.1"]))
    sheet = written(base, tmp_path, others={"dear": dear})["Scenario comparison"]
    rows = {row[0]: row[1:3] for row in sheet.iter_rows(values_only=True) if row[0]}
    assert rows["technologies, turbine, capex_usd_per_kw"] == ("1500", "1650")


def test_several_returns_are_all_told(tmp_path: Path) -> None:
    with_it = solved(toy(plant("turbine", capex_usd_per_kw=1500.0), years=(2026, 2027)))
    own = with_it.cash_flow.groupby("calendar_year")["usd"].sum()
    saved = pd.Series({2026: -1600.0, 2027: 10_000.0, 2028: -10_000.0})  # the textbook mine: 25 and 400 %
    cash = (own + saved).rename("usd").rename_axis("calendar_year").reset_index().assign(name="fuel")
    mine = replace(with_it, tables={**with_it.tables, "cash_flow": cash[["calendar_year", "name", "usd"]]})
    sheet = written(with_it, tmp_path, others={"mine": mine})["Scenario comparison"]
    row = next(row for row in sheet.iter_rows(min_row=50, values_only=True) if row[0] == "mine")
    assert row[2:4] == ("several", "several IRRs: 25.00 %, 400.00 %; the NPV decides")


def test_plans_in_other_money_are_not_compared(tmp_path: Path) -> None:
    with_it = solved(toy(plant("turbine", capex_usd_per_kw=1500.0), years=(2026, 2027)))
    dear = solved(apply_overrides(with_it.instance, ["finance.discount_rate=0.1"]))
    sheet = written(with_it, tmp_path, others={"dear": dear})["Scenario comparison"]
    notes = [row[0] for row in sheet.iter_rows(values_only=True) if row[0] and "not compared" in row[0]]
    assert len(notes) == 1 and notes[0].startswith("dear:")


# -- recalculation -----------------------------------------------------------------------------------------

#: Settings of LibreOffice: compute every formula when an Excel file is opened, whatever value stands beside it.
ALWAYS_RECALCULATE = """\
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load">
<prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop>
</item>
</oor:items>
"""


def changed(file: Path, cells: dict[tuple[str, str], float]) -> Path:
    """The workbook with other figures typed into cells."""
    book = openpyxl.load_workbook(file)
    for (sheet, cell), value in cells.items():
        book[sheet][cell].value = value
    book.save(file.with_name(f"{file.stem}_changed.xlsx"))
    return file.with_name(f"{file.stem}_changed.xlsx")


@pytest.fixture(scope="module")
def recalculated(books: dict[str, Path], folder: Path) -> Path:
    """Folder with the workbooks as LibreOffice computes them."""
    wrong = folder / "wrong.xlsx"
    book = xlsxwriter.Workbook(str(wrong))
    book.add_worksheet().write_formula(0, 0, "=2*21", None, 7)
    book.close()
    settings = folder / "profile" / "user" / "registrymodifications.xcu"
    settings.parent.mkdir(parents=True)
    settings.write_text(ALWAYS_RECALCULATE, encoding="utf-8")
    command = [str(SOFFICE), f"-env:UserInstallation=file://{folder}/profile", "--headless", "--convert-to"]
    typed = {("Cash flow", "B4"): 0.1, ("Cash flow", "B8"): 0.4, ("Return", "B4"): 76.5, ("Rate bridge", "S4"): 4}
    files, out = [*books.values(), wrong, changed(books["one_site"], typed)], folder / "again"
    subprocess.run([*command, "xlsx", "--outdir", out, *files], check=True, capture_output=True)
    return out


def formulas(file: Path) -> Iterator[tuple[str, str]]:
    """Sheet and cell of every formula."""
    for sheet in openpyxl.load_workbook(file).worksheets:
        for row in sheet.iter_rows():
            yield from ((sheet.title, cell.coordinate) for cell in row if cell.data_type == "f")


@pytest.mark.skipif(SOFFICE is None, reason="no LibreOffice on this machine")
def test_every_formula_recalculated_gives_our_figure(books: dict[str, Path], recalculated: Path) -> None:
    assert values(recalculated / "wrong.xlsx").active["A1"].value == 42  # it does recalculate
    for name, file in books.items():
        ours, theirs, count = values(file), values(recalculated / file.name), 0
        for sheet, cell in formulas(file):
            wanted, count = ours[sheet][cell].value, count + 1
            if isinstance(wanted, str):
                assert theirs[sheet][cell].value == wanted
            else:
                assert theirs[sheet][cell].value == pytest.approx(wanted, rel=1e-9, abs=1e-6), (name, sheet, cell)
        assert count > 150, name


@pytest.mark.skipif(SOFFICE is None, reason="no LibreOffice on this machine")
def test_figures_follow_what_is_typed(recalculated: Path) -> None:
    book = values(recalculated / "one_site_changed.xlsx")
    summary = labelled(book["Summary"])
    # instances/one-site/README.md, section 5, at 10 % instead of 25 %: 0.375 M$ of salvage in 2029
    cost = [49.162e6, 52.57e6, 64.66e6, -0.375e6]
    assert summary["NPV of the cash flow, real, US$"] == pytest.approx(npv(0.1, cost))
    revenue = [76.5 * mwh for mwh in (613_200, 700_800, 876_000, 0)]
    before = [paid - usd for paid, usd in zip(revenue, cost, strict=True)]
    assert summary["IRR at this charge, real, before tax"] == pytest.approx(irrs(before)[0])
    # a tax of 40 %; 1.5 M$ by MACRS over 15 years: 5, 9.5 and 8.55 %, the rest when the horizon ends
    written_off = [0.05 * 1.5e6, 0.095 * 1.5e6, 0.0855 * 1.5e6, 0.7695 * 1.5e6]
    income = [a - b + c for a, b, c in zip(before, written_off, [1.5e6, 0, 0, 0], strict=True)]
    after = [a - 0.4 * b for a, b in zip(before, income, strict=True)]
    assert summary["NPV of cash after tax, real, US$"] == pytest.approx(
        npv(0.1, [0.6 * paid - net for paid, net in zip(revenue, after, strict=True)])
    )
    assert summary["checks that are not 0"] == 1  # the plan was made for 25 %: its NPV is another


# -- hostile names -----------------------------------------------------------------------------------------


def test_names_from_data_stay_text(books: dict[str, Path]) -> None:
    book = openpyxl.load_workbook(books["strange"])
    assert book["Summary"]["A1"].value == MARKUP
    names = {row[0].value for row in book["Rates"].iter_rows(min_row=5, min_col=2, max_col=2)}
    assert names == {MARKUP, CRITERION}
    options = [row[0] for row in book["Investment plan"].iter_rows(min_row=5, min_col=3, max_col=3) if row[0].value]
    assert {cell.value for cell in options} == {MARKUP, CRITERION, "=1+1"}
    assert {cell.data_type for cell in options} == {"s"}
    assert book["Scenario comparison"]["C4"].value == MARKUP
    assert values(books["hostile"])["Summary"]["A1"].value == HOSTILE
    for sheet, cell in formulas(books["strange"]):
        assert not any(name in book[sheet][cell].value for name in (MARKUP, CRITERION, "1+1")), (sheet, cell)


def test_sums_by_name_tell_strange_names_apart(books: dict[str, Path]) -> None:
    sheet = values(books["strange"])["Investment plan"]
    rows = {row[0]: row[1] for row in sheet.iter_rows(min_row=5, min_col=13, max_col=14, values_only=True) if row[0]}
    assert rows == {MARKUP: 10.0, CRITERION: 10.0, "=1+1": 10.0}


# -- command line ------------------------------------------------------------------------------------------


def test_command_line(tmp_path: Path) -> None:
    run = one_site().save(tmp_path / "run")
    other = one_site().save(tmp_path / "other")
    assert within("report", run, "--xlsx")[0] == 0
    assert read(tmp_path / "run.xlsx").sheetnames == SHEETS
    assert within("report", run, other, "--xlsx", "--charge", "80")[0] == 0
    book = read(tmp_path / "run.xlsx")
    assert labelled(book["Summary"])["charge to the campuses, US$/MWh"] == 80
    assert [cell.value for cell in book["Scenario comparison"][4][1:3]] == ["run", "other"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "run", "run.xlsx"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--xlsx", "--site", "campus"], "a community's page is HTML"),
        (["--charge", "80"], "add --xlsx"),
        (["--xlsx", "--charge", "nan"], "'--charge'"),
        (["run"], "add --xlsx"),
        (["run", "--xlsx"], "a run stands twice"),
        (["nowhere", "--xlsx"], "is not a complete run"),
    ],
)
def test_wrong_usage(options: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_site().save(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    code, _, err = within("report", "run", *options)
    assert code in (2, 3) and words in err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
