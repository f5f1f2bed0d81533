"""Workbooks as instances: lossless, problems at their cells, formulas neither read nor made."""

from __future__ import annotations

import builtins
import datetime
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.formula import ArrayFormula
from test_cli import ONE_SITE, within
from workbooks import Change, cell, changed, every, part_of, problems_of, repacked, small_book, text_cell, the_problem

from optimizer.instance import Instance, InstanceError, Problem, make_instance, read_instance, write_instance
from optimizer.overrides import apply_overrides
from optimizer.plan import read_plan
from optimizer.schema import TABLES, Manifest
from optimizer.solve import solve
from optimizer.sweep import Settings, Variant, solve_variant
from optimizer.template import write_template
from optimizer.workbook_in.layout import CHECKS, README, SHEETS, entries, entry_of, parts_of, path_of
from tests.small_instance import small_instance_folder

STARGATE = ONE_SITE.parent / "stargate-us"
SOFFICE = shutil.which("soffice") or shutil.which("libreoffice")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    return read_instance(small_instance_folder(tmp_path_factory.mktemp("valid")))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_book(tmp_path_factory.mktemp("book"))


@pytest.fixture(scope="module")
def one_site_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("one") / "one-site.xlsx"
    write_template(file, read_instance(ONE_SITE))
    return file


# Lossless


@pytest.mark.parametrize("folder", [ONE_SITE, STARGATE], ids=lambda folder: folder.name)
def test_folder_workbook_folder_is_lossless(folder: Path, tmp_path: Path) -> None:
    assert within("template", tmp_path / "case.xlsx", "--from", folder)[0] == 0
    assert within("export", "folder", tmp_path / "case.xlsx", "-o", tmp_path / "folder")[0] == 0
    assert read_instance(tmp_path / "folder") == read_instance(folder)


def test_a_workbook_is_read_as_the_folder_is(one_site_book: Path) -> None:
    assert within("validate", one_site_book)[0] == 0
    read = read_instance(one_site_book)
    assert read == read_instance(ONE_SITE)
    assert read.path == one_site_book


def test_every_table_is_lossless(small: Instance, case: Path, tmp_path: Path) -> None:
    read = read_instance(case)
    assert read == small
    write_instance(read, tmp_path / "a")
    write_instance(small, tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        if path.suffix == ".csv":
            assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
HARD = "_x0041_ x005F_ _x005F_x005F_\r\n\t\x00\x1f ￾"


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(asset="=1+1", source=HARD, title="<r><t>bold</t></r>", poi=0.1 + 0.2, price=-0.0)
@example(asset="<r>&</r>", source="  ", title="=HYPERLINK()", poi=5e-324, price=1 / 3)
@example(asset="+1", source="@SUM(A1)", title="{=1}", poi=123456.78901234567, price=1e-5)
@given(asset=names, source=texts, title=texts, poi=st.floats(0, 1e6), price=st.floats(-1000, 10_000))
def test_any_accepted_content_survives_the_workbook(
    small: Instance,
    tmp_path_factory: pytest.TempPathFactory,
    asset: str,
    source: str,
    title: str,
    poi: float,
    price: float,
) -> None:
    rows = {name: list(small.rows(name)) for name in TABLES}
    rows["sites"][0] = small.sites[0].model_copy(update={"existing_poi_mw": poi, "source": source})
    rows["existing_assets"][0] = small.existing_assets[0].model_copy(update={"asset": asset})
    manifest = small.manifest.model_copy(update={"title": title})
    made = make_instance(manifest, rows, small.hourly.assign(price=np.full(48, price)))
    file = tmp_path_factory.mktemp("round") / "trip.xlsx"
    write_template(file, made)
    assert read_instance(file) == made


def test_names_of_resolutions_and_series_survive(small: Instance, tmp_path: Path) -> None:
    raw = small.manifest.model_dump(exclude_none=True)
    odd = 'a "b".c\\d =x'
    raw["resolutions"][odd] = raw["resolutions"].pop("coarse")
    raw["options"]["resolution"] = odd
    rows: dict[str, Any] = {name: list(small.rows(name)) for name in TABLES}
    for table in ("periods", "calendar"):
        rows[table] = [
            row.model_copy(update={"resolution": odd}) if row.resolution == "coarse" else row for row in rows[table]
        ]
    rows["series"] = [*small.series, small.series[0].model_copy(update={"series": "USE"})]
    hourly = small.hourly.assign(USE=small.hourly[small.series[0].series])
    made = make_instance(raw, rows, hourly)
    write_template(tmp_path / "case.xlsx", made)
    assert read_instance(tmp_path / "case.xlsx") == made


@pytest.mark.skipif(SOFFICE is None, reason="no LibreOffice on this machine")
def test_saved_by_libreoffice_it_is_the_same_and_its_checks_are_live(
    case: Path, one_site_book: Path, tmp_path: Path
) -> None:
    def saved(form: str, *files: Path) -> list[Path]:
        """Recalculated and written by LibreOffice."""
        command = [str(SOFFICE), f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", form]
        subprocess.run([*command, "--outdir", tmp_path / "again", *files], check=True, capture_output=True)
        return [tmp_path / "again" / f"{file.stem}.{form}" for file in files]

    wrong = changed(case, tmp_path, every(cell("Sites", "B6", "nowhere"), cell("Site years", "B6", 1999)))
    right, checked = saved("xlsx", *saved("ods", one_site_book), wrong)  # the first by way of its own format
    assert read_instance(right) == read_instance(ONE_SITE)
    sheet = openpyxl.load_workbook(checked, data_only=True)[CHECKS]
    counts = {(row[0].value, row[1].value): row[2].value for row in sheet.iter_rows(min_row=6) if row[2].value}
    assert counts == {
        ("Sites", "zone not in column zone of sheet Zones"): 1,
        ("Site years", "year not in planning_years in sheet Settings"): 1,
    }
    assert sheet["C3"].value == 2


def test_the_template_says_what_the_schema_says(case: Path) -> None:
    book = openpyxl.load_workbook(case)
    assert set(book.sheetnames) == {*SHEETS.values(), README, CHECKS}
    for table in TABLES.values():
        sheet = book[SHEETS[table.file]]
        assert list(sheet.tables) == [table.name]
        assert [head.value for head in sheet[5]] == list(table.columns())
        for head in sheet[5]:
            described = str(table.row.model_fields[str(head.value)].description)
            assert described[1:20] in head.comment.text.replace("sheet Hourly", "hourly.csv")
    sites = book["Sites"]
    assert (sites["E3"].value, sites["E4"].value, sites["A4"].value) == ("MW", "blank: 0", "needed")
    lists = {str(rule.sqref).split(":")[0]: rule.formula1 for rule in sites.data_validations.dataValidation}
    assert lists["B6"] == "list_zones_zone"
    assert lists["F6"] == '"true,false"'
    assert set(book.defined_names) >= {"list_zones_zone", "list_planning_years", "list_series_series"}


def test_an_empty_template_asks_for_what_is_needed(tmp_path: Path) -> None:
    code, out, _ = within("template", tmp_path / "new.xlsx")
    assert (code, "is ready" in out) == (0, True)
    found = problems_of(tmp_path / "new.xlsx")
    assert "Settings!B7, name: must be given. name: short name." in found
    assert any(text.startswith("Settings!B20, finance.discount_rate: must be given") for text in found)
    assert all(text.startswith("Settings!B") for text in found)


def test_paths_of_settings() -> None:
    for parts in [*entries(), ("resolutions", 'a "b".\\c\n', "step_hours")]:
        assert parts_of(path_of(parts)) == list(parts)
        assert entry_of(parts)
    assert [parts_of(text) for text in ("", "a.", '"a', "a b", "a=1", 'files."\\x".source')] == [None] * 4 + [
        ["a=1"],
        None,
    ]
    assert len(list(entries())) > len(Manifest.model_fields)


# Problems at their cells

#: Told all at once, each at its own cell.
TOGETHER: dict[str, tuple[Change, str]] = {
    "below its bound": (
        cell("Sites", "E6", -40),
        "Sites!E6, existing_poi_mw = -40: must be >= 0 MW. existing_poi_mw: firm import capacity",
    ),
    "text for a number": (cell("Sites", "E7", "lots"), "Sites!E7, existing_poi_mw = lots: must be a number, not text"),
    "a number as text": (
        text_cell("Sites", "J7", "12"),
        "Sites!J7, opening_cost_usd = 12: must be a number, not text. Write it again in a cell",
    ),
    "a truth value for a number": (
        cell("Sites", "J6", True),
        "Sites!J6, opening_cost_usd = true: must be a number,",
    ),
    "a date for a number": (
        cell("Sites", "K6", datetime.datetime(2030, 5, 1)),  # noqa: DTZ001
        "Sites!K6, curtailable_share = 2030-05-01: must be a number, not a date",
    ),
    "a date for text": (
        cell("Sites", "Y6", datetime.date(2030, 5, 1)),
        "Sites!Y6, source = 2030-05-01: must be text, not a date",
    ),
    "a duration": (cell("Sites", "K7", datetime.timedelta(hours=5)), "Sites!K7, curtailable_share = 5:00:00: must be"),
    "a number for text": (
        cell("Zones", "D6", 12),
        "Zones!D6, price_series = 12: must be text, not a number. Format",
    ),
    "a number for a truth value": (
        cell("Sites", "F6", 1),
        "Sites!F6, export_allowed = 1: must be true or false, not a number. Write true or false",
    ),
    "an error": (text_cell("Sites", "M6", "#N/A"), "Sites!M6, curtailment_cost_usd_per_mwh = #N/A: must be a"),
    "a formula": (cell("Sites", "N6", "=1+1"), "Sites!N6, deferrable_share = =1+1: must be a value, not a formula"),
    "a formula for text": (cell("Sites", "A6", '="Lima"'), "Sites!A6, site = =\"Lima\": must be a value, not a"),
    "a matrix formula": (
        cell("Sites", "O6", ArrayFormula("O6", "=SUM(E7)")),
        "Sites!O6, deferral_window_hours = =SUM(E7): must be a value, not",
    ),
    "part of a year": (cell("Site years", "B6", 2028.5), "'Site years'!B6, year = 2028.5: must be a whole number"),
    "needed": (cell("Sites", "B6", None), "Sites!B6, zone = (blank): must be filled"),
    "blank row between": (cell("Fuels", "A9", "oil"), "Fuels!A8: row is blank. Delete the row."),
    "beside the table": (cell("Fuels", "F6", "note"), "Fuels!F6: stands in a column without a name"),
    "hour": (cell("Hourly", "A8", 7), "Hourly!A8, hour = 7: must count 0, 1, 2"),
    "series text": (cell("Hourly", "B9", "x"), "Hourly!B9, use = x: must be a number, not text"),
    "series blank": (cell("Hourly", "B10", None), "Hourly!B10, use = (blank): must be filled"),
    "series formula": (cell("Hourly", "B11", "=B7"), "Hourly!B11, use = =B7: must be a value, not a formula"),
    "series extra": (cell("Hourly", "J8", 1), "Hourly!J8: stands in a column without a name"),
}  # fmt: skip


@pytest.fixture(scope="module")
def told_together(case: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    changes = (change for change, _ in TOGETHER.values())
    return problems_of(changed(case, tmp_path_factory.mktemp("together"), every(*changes)))


@pytest.mark.parametrize("name", TOGETHER)
def test_problems_are_told_together(name: str, told_together: list[str]) -> None:
    _, words = TOGETHER[name]
    assert any(words in text for text in told_together), told_together


#: Each in a workbook of its own, as what is wrong there hides other problems.
CELLS: dict[str, tuple[Change, str]] = {
    "unknown name": (cell("Sites", "B6", "pol"), "Sites!B6, zone = pol: must be a zone in sheet Zones. Did you"),
    "renamed column": (cell("Sites", "E5", "poi"), "Sites!E5, poi: is not a column of this table"),
    "renamed needed column": (cell("Sites", "B5", "Zone"), "Sites!A5, zone: column is missing and has no default"),
    "header twice": (cell("Sites", "E5", "zone"), "Sites!A5: column zone stands twice"),
    "formula as header": (cell("Sites", "E5", "=1"), "Sites!A5: must hold names of columns, not =1"),
    "number as header": (cell("Sites", "E5", 5), "Sites!A5: must hold names of columns, not 5"),
    "no header": (lambda book: book["Sites"].delete_rows(1, 40), "Sites!A5: has no names of columns in row 5"),
    "series bound": (cell("Hourly", "B8", 1.5), "Hourly!B8, use = 1.5: must be a finite number between 0 and 1"),
    "series unknown": (cell("Hourly", "B5", "us"), "Hourly!B5, us: must be a series of sheet Series"),
    "too few hours": (lambda book: book["Hourly"].delete_rows(50, 5), "Hourly: must have 48 hours (series_hours in"),
    "extra sheet": (lambda book: book.create_sheet("Sites (2)"), "Sites (2): is not a sheet of an instance. Did you"),
    "missing sheet": (lambda book: book.remove(book["Technologies"]), "Technologies: is missing. Add it with the"),
    "missing optional": (lambda book: book.remove(book["Budgets"]), 'files."budgets.csv": names a file that is not'),
    "missing settings": (lambda book: book.remove(book["Settings"]), "Settings: is missing"),
    "merged": (lambda book: book["Sites"].merge_cells("C6:D7"), "Sites!C6: has merged cells (C6:D7). Unmerge them."),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_problems_name_sheet_and_cell(name: str, case: Path, tmp_path: Path) -> None:
    change, words = CELLS[name]
    found = problems_of(changed(case, tmp_path, change))
    assert any(words in text for text in found), found


def setting(path: str, value: Any) -> Change:
    """Change the value of a setting, the first if there are several."""

    def change(book: Any) -> None:
        row = next(row for row in book["Settings"].iter_rows(min_row=6) if row[0].value == path)
        row[1].value = value

    return change


def more_settings(*rows: tuple[Any, ...]) -> Change:
    def change(book: Any) -> None:
        for row in rows:
            book["Settings"].append(row)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (setting("finance.discount_rate", 5), r"Settings!B\d+, finance.discount_rate = 5: must be < 0.5"),
        (setting("finance.discount_rate", "5 %"), r"finance.discount_rate = 5 %: must be a number, not text. Write"),
        (setting("finance.discount_rate", "=A1"), r"Settings!B\d+, finance.discount_rate = =A1: must be a value, not"),
        (setting("finance.discount_rate", None), r"Settings!B\d+, finance.discount_rate: must be given"),
        (setting("planning_years", 2031), r"Settings!B\d+, planning_years = \[2031, 2030\]: must ascend"),
        (setting("planning_years", "2028, 2029"), r"Settings!B\d+, planning_years = 2028, 2029: must be a whole"),
        (setting("planning_years", 1700), r"Settings!B\d+, planning_years.0 = 1700: must be >= 1990"),
        (setting("options.resolution", "fine"), r"Settings!B\d+, options.resolution = fine: must be one of the"),
        (setting("series_hours", 48.5), r"Settings!B\d+, series_hours = 48.5: must be a whole number"),
        (setting("rates.enforce", "maybe"), r"Settings!B\d+, rates.enforce = maybe: must be true or false"),
        (setting("name", 12), r"Settings!B\d+, name = 12: must be text, not a number"),
        (setting('files."sites.csv".source', None), r"Settings!B\d+, files.\"sites.csv\".source: must be given"),
        (more_settings(("finance.inflation", 0.1)), r"Settings!A\d+, path = finance.inflation: stands already in row"),
        (more_settings(("finance.inflatoin", 0.1)), r"is not a setting. Did you mean 'finance.inflation'\?"),
        (more_settings(("finance", 0.1)), r"Settings!A\d+, path = finance: is not a setting"),
        (more_settings((None, 0.1)), r"Settings!A\d+, path: must be filled beside a value"),
        (more_settings(("=A6", 0.1)), r"Settings!A\d+, path = =A6: must be a value, not a formula"),
        (cell("Settings", "B5", "worth"), r"Settings!A5: has a column worth too many"),
        (cell("Settings", "B5", None), r"Settings!A5: has a column None too many"),
    ],
)  # fmt: skip
def test_settings_name_their_cell(change: Change, words: str, case: Path, tmp_path: Path) -> None:
    found = problems_of(changed(case, tmp_path, change))
    assert any(re.search(words, text) for text in found), found


def test_all_problems_at_once_as_json_with_the_exit_code_of_bad_data(case: Path, tmp_path: Path) -> None:
    change = every(cell("Sites", "E6", -1), cell("Zones", "A6", "=1"), setting("finance.tax_rate", 7))
    file = changed(case, tmp_path, change)
    code, out, _ = within("solve", file, "-o", tmp_path / "run", "--json")
    found = json.loads(out)["problems"]
    assert code == 3
    assert {("Sites", 6, "E6", "-1"), ("Zones", 6, "A6", "=1")} <= {
        (problem["file"], problem["row"], problem["cell"], problem["value"]) for problem in found
    }
    assert "finance.tax_rate" in {problem["column"] for problem in found}
    assert within("validate", file)[0] == within("explain", file)[0] == 3
    assert not (tmp_path / "run").exists()


def test_problems_of_overrides_name_the_cell(case: Path) -> None:
    with pytest.raises(InstanceError) as caught:
        apply_overrides(read_instance(case), ["site_years.Lima[2028].ceiling_mw=1"])
    assert "ceiling_mw = 1: does not fit the instance any more: 'Site years'!C6, floor_mw = 50" in str(caught.value)


def test_a_row_that_repeats_a_key_names_rows_of_the_sheet(case: Path, tmp_path: Path) -> None:
    found = the_problem(changed(case, tmp_path, cell("Supply blocks", "B7", "hydro")))
    assert found.startswith("'Supply blocks'!A7, zone = home: stands already in row 6: zone home, block hydro.")


def test_accepted_as_they_are(case: Path, tmp_path: Path) -> None:
    def harmless(book: Any) -> None:
        sites = book["Sites"]
        for row in range(8, 3000):  # formatted, blank
            sites.cell(row, 1).number_format = "0.00"
        sites["A9"] = "  "
        sites["A1"] = "=1+1"  # above the table
        book["Checks"]["A30"] = "anything"
        book.create_sheet("_scratch")["A1"] = "=RAND()"
        book.move_sheet("Hourly", -20)
        book["Sites"]["I6"] = True

    usual = read_instance(changed(case, tmp_path, lambda book: None))
    assert read_instance(changed(case, tmp_path, harmless)) == usual


def test_columns_may_stand_in_any_order(case: Path, tmp_path: Path) -> None:
    def swap(book: Any) -> None:
        for row in book["Compute demand"].iter_rows(min_row=5, max_col=2):
            row[0].value, row[1].value = row[1].value, row[0].value

    usual = read_instance(changed(case, tmp_path, lambda book: None))
    assert read_instance(changed(case, tmp_path, swap)) == usual
    change = every(swap, cell("Compute demand", "A6", -1))
    assert the_problem(changed(case, tmp_path, change)).startswith("'Compute demand'!A6, it_mw = -1: must be >= 0 MW")


# Formulas are never made


def test_text_never_becomes_a_formula(small: Instance, tmp_path: Path) -> None:
    rows: dict[str, Any] = {name: list(small.rows(name)) for name in TABLES}
    hostile = ['=cmd|"/c calc"!A1', "+1", "-1", "@SUM(1)", "http://x.y", "{=1}", "<r><t>x</t></r>"]
    rows["fuels"] = [small.fuels[0].model_copy(update={"fuel": name}) for name in hostile] + list(small.fuels)
    file = tmp_path / "case.xlsx"
    write_template(file, make_instance(small.manifest, rows, small.hourly))
    sheet = openpyxl.load_workbook(file)["Fuels"]
    found = [sheet.cell(6 + row, 1) for row in range(len(hostile))]
    assert [(cell.value, cell.data_type) for cell in found] == [(name, "s") for name in hostile]
    assert not [cell for cell in found if cell.hyperlink]


def test_a_cached_value_does_not_excuse_a_formula(case: Path, tmp_path: Path) -> None:
    def with_formula(xml: bytes) -> bytes:
        return re.sub(rb'(<c r="E6"[^>]*>)<v>', rb"\1<f>300+10</f><v>", xml, count=1)

    file = repacked(case, tmp_path, {part_of(case, "Sites"): with_formula})
    assert "Sites!E6, existing_poi_mw = =300+10: must be a value, not a formula" in the_problem(file)


# Commands


def test_a_run_from_a_workbook_is_that_from_the_folder(one_site_book: Path, tmp_path: Path) -> None:
    code, out, _ = within("solve", one_site_book, "-o", tmp_path / "run", "--json")
    assert code == 0
    plan = read_plan(tmp_path / "run")
    assert plan.instance == read_instance(ONE_SITE)
    assert (tmp_path / "run" / "instance" / "instance.toml").is_file()
    assert json.loads(out)["objective_usd"] == pytest.approx(solve(read_instance(ONE_SITE)).objective_usd)
    assert within("explain", one_site_book)[0] == 0
    assert within("report", tmp_path / "run")[0] == 0


def test_a_variant_of_a_sweep_reads_the_workbook(one_site_book: Path, tmp_path: Path) -> None:
    content = read_instance(one_site_book).content_hash
    variant = Variant("a", ("finance.discount_rate=0.03",))
    row = solve_variant(str(one_site_book), content, variant, str(tmp_path), Settings(gap=0.005, time_limit=None))
    assert row["status"] in ("optimal", "within gap")


def test_template_refuses_what_it_would_spoil(one_site_book: Path, tmp_path: Path) -> None:
    file = tmp_path / "case.xlsx"
    file.write_text("mine")
    assert within("template", file)[0] == 2
    assert file.read_text() == "mine"
    assert within("template", tmp_path / "case.xls")[0] == 2
    assert within("template", tmp_path / "none" / "case.xlsx")[0] == 2
    assert within("template", file, "--overwrite", "--from", tmp_path / "none")[0] == 3
    assert within("template", file, "--overwrite", "--from", one_site_book)[0] == 0
    assert read_instance(file) == read_instance(ONE_SITE)
    assert within("export", "folder", file, "-o", tmp_path)[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["case.xlsx"]


@pytest.mark.parametrize(
    ("command", "package"), [("validate", "openpyxl"), ("solve", "openpyxl"), ("template", "xlsxwriter")]
)
def test_a_missing_package_is_named(
    command: str, package: str, one_site_book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith(("optimizer.workbook_in", "optimizer.template")) or name.split(".")[0] == package:
            raise ModuleNotFoundError(f"No module named '{package}'", name=package)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    target = tmp_path / "new.xlsx" if command == "template" else one_site_book
    code, _, err = within(command, target)
    assert code == 2
    assert f"needs {package}: pip install 'community-plan-optimizer[workbook]'" in err


def test_problems_print_their_cell() -> None:
    assert str(Problem("Sites", 7, "zone", "x", "is wrong", cell="D7")) == "Sites!D7, zone = x: is wrong."
    assert str(Problem("Site years", 7, None, None, "is wrong", cell="A7")) == "'Site years'!A7: is wrong."
