"""Workbooks as instances: lossless, problems at their cells, hostile files refused, formulas neither read nor made."""

from __future__ import annotations

import builtins
import contextlib
import datetime
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.formula import ArrayFormula
from test_cli import ONE_SITE, within

from optimizer.instance import Instance, InstanceError, Problem, make_instance, read_instance, write_instance
from optimizer.overrides import apply_overrides
from optimizer.plan import read_plan
from optimizer.schema import TABLES, Manifest
from optimizer.solve import solve
from optimizer.sweep import Settings, Variant, solve_variant
from optimizer.template import write_template
from optimizer.workbook_in import container
from optimizer.workbook_in.layout import CHECKS, HOURLY, README, SHEETS, entries, entry_of, parts_of, path_of
from tests.small_instance import small_instance_folder

STARGATE = ONE_SITE.parent / "stargate-us"
SOFFICE = shutil.which("soffice") or shutil.which("libreoffice")
Change = Callable[[Any], object]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    return read_instance(small_instance_folder(tmp_path_factory.mktemp("valid")))


@pytest.fixture(scope="module")
def case(small: Instance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small instance as a workbook; tests change copies of it."""
    file = tmp_path_factory.mktemp("book") / "case.xlsx"
    write_template(file, small)
    return file


@pytest.fixture(scope="module")
def one_site_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("one") / "one-site.xlsx"
    write_template(file, read_instance(ONE_SITE))
    return file


def changed(case: Path, folder: Path, change: Change) -> Path:
    """A copy of a workbook, changed as a person would."""
    book = openpyxl.load_workbook(case)
    change(book)
    file = folder / "changed.xlsx"
    book.save(file)
    return file


def cell(sheet: str, address: str, value: Any) -> Change:
    """Write one cell."""

    def change(book: Any) -> None:
        book[sheet][address] = value

    return change


def text_cell(sheet: str, address: str, value: str) -> Change:
    """Write text that looks like something else."""

    def change(book: Any) -> None:
        book[sheet][address].value = value
        book[sheet][address].data_type = "s"

    return change


def every(*changes: Change) -> Change:
    def change(book: Any) -> None:
        for one in changes:
            one(book)

    return change


def repacked(case: Path, folder: Path, parts: Mapping[str, bytes | Callable[[bytes], bytes]]) -> Path:
    """A copy of a workbook with parts replaced, changed or added."""
    file = folder / "repacked.xlsx"
    with zipfile.ZipFile(case) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            change = parts.get(name, old.read(name))
            new.writestr(name, change(old.read(name)) if callable(change) else change)
        for name in set(parts) - set(old.namelist()):
            added = parts[name]
            assert isinstance(added, bytes)
            new.writestr(name, added)
    return file


def part_of(case: Path, sheet: str) -> str:
    """Part that holds a sheet."""
    position = openpyxl.load_workbook(case, read_only=True).sheetnames.index(sheet) + 1
    return f"xl/worksheets/sheet{position}.xml"


def problems_of(file: Path) -> list[str]:
    with pytest.raises(InstanceError) as caught:
        read_instance(file)
    return [str(problem) for problem in caught.value.problems]


def the_problem(file: Path) -> str:
    found = problems_of(file)
    assert len(found) == 1, found
    return found[0]


# Lossless


@pytest.mark.parametrize("folder", [ONE_SITE, STARGATE], ids=lambda folder: folder.name)
def test_folder_workbook_folder_is_lossless(folder: Path, tmp_path: Path) -> None:
    assert within("template", tmp_path / "case.xlsx", "--from", folder)[0] == 0
    assert within("validate", tmp_path / "case.xlsx")[0] == 0
    assert within("export", "folder", tmp_path / "case.xlsx", "-o", tmp_path / "folder")[0] == 0
    read = read_instance(tmp_path / "case.xlsx")
    assert read == read_instance(folder) == read_instance(tmp_path / "folder")
    assert read.path == tmp_path / "case.xlsx"


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


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    def resaved(file: Path) -> Path:
        """Recalculated and written by LibreOffice."""
        command = [str(SOFFICE), f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to"]
        out = tmp_path / "again"
        subprocess.run([*command, "ods", "--outdir", out, file], check=True, capture_output=True)
        subprocess.run([*command, "xlsx", "--outdir", out, out / f"{file.stem}.ods"], check=True, capture_output=True)
        return out / f"{file.stem}.xlsx"

    assert read_instance(resaved(one_site_book)) == read_instance(ONE_SITE)
    wrong = changed(case, tmp_path, every(cell("Sites", "B6", "nowhere"), cell("Site years", "B6", 1999)))
    sheet = openpyxl.load_workbook(resaved(wrong), data_only=True)[CHECKS]
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

CELLS: dict[str, tuple[Change, str]] = {
    "below its bound": (
        cell("Sites", "E6", -40),
        "Sites!E6, existing_poi_mw = -40: must be >= 0 MW. existing_poi_mw: firm import capacity",
    ),
    "text for a number": (cell("Sites", "E7", "lots"), "Sites!E7, existing_poi_mw = lots: must be a number, not text"),
    "a number as text": (text_cell("Sites", "E7", "12"), "must be a number, not text. Write it again in a cell"),
    "a truth value for a number": (cell("Sites", "E6", True), "Sites!E6, existing_poi_mw = true: must be a number,"),
    "a date for a number": (
        cell("Sites", "E6", datetime.datetime(2030, 5, 1)),  # noqa: DTZ001
        "Sites!E6, existing_poi_mw = 2030-05-01: must be a number, not a date",
    ),
    "a date for text": (cell("Sites", "Y6", datetime.date(2030, 5, 1)), "= 2030-05-01: must be text, not a date"),
    "a duration": (cell("Sites", "E6", datetime.timedelta(hours=5)), "Sites!E6, existing_poi_mw = 5:00:00: must be a"),
    "a number for text": (cell("Zones", "D6", 12), "Zones!D6, price_series = 12: must be text, not a number. Format"),
    "a number for a truth value": (cell("Sites", "F6", 1), "must be true or false, not a number. Write true or false"),
    "an error": (text_cell("Sites", "E6", "#N/A"), "Sites!E6, existing_poi_mw = #N/A: must be a"),
    "a formula": (cell("Sites", "E6", "=1+1"), "Sites!E6, existing_poi_mw = =1+1: must be a value, not a formula"),
    "a formula for text": (cell("Sites", "A6", '="Lima"'), "Sites!A6, site = =\"Lima\": must be a value, not a"),
    "a matrix formula": (cell("Sites", "E6", ArrayFormula("E6", "=SUM(E7)")), "= =SUM(E7): must be a value, not"),
    "part of a year": (cell("Site years", "B6", 2028.5), "'Site years'!B6, year = 2028.5: must be a whole number"),
    "unknown name": (cell("Sites", "B6", "pol"), "Sites!B6, zone = pol: must be a zone in sheet Zones. Did you"),
    "needed": (cell("Sites", "B6", None), "Sites!B6, zone = (blank): must be filled"),
    "blank row between": (cell("Fuels", "A9", "oil"), "Fuels!A8: row is blank. Delete the row."),
    "beside the table": (cell("Fuels", "F6", "note"), "Fuels!F6: stands in a column without a name"),
    "renamed column": (cell("Sites", "E5", "poi"), "Sites!E5, poi: is not a column of this table"),
    "renamed needed column": (cell("Sites", "B5", "Zone"), "Sites!A5, zone: column is missing and has no default"),
    "header twice": (cell("Sites", "E5", "zone"), "Sites!A5: column zone stands twice"),
    "formula as header": (cell("Sites", "E5", "=1"), "Sites!A5: must hold names of columns, not =1"),
    "number as header": (cell("Sites", "E5", 5), "Sites!A5: must hold names of columns, not 5"),
    "no header": (lambda book: book["Sites"].delete_rows(1, 40), "Sites!A5: has no names of columns in row 5"),
    "hour": (cell("Hourly", "A8", 7), "Hourly!A8, hour = 7: must count 0, 1, 2"),
    "series text": (cell("Hourly", "B8", "x"), "Hourly!B8, use = x: must be a number, not text"),
    "series blank": (cell("Hourly", "B8", None), "Hourly!B8, use = (blank): must be filled"),
    "series formula": (cell("Hourly", "B8", "=B7"), "Hourly!B8, use = =B7: must be a value, not a formula"),
    "series bound": (cell("Hourly", "B8", 1.5), "Hourly!B8, use = 1.5: must be a finite number between 0 and 1"),
    "series unknown": (cell("Hourly", "B5", "us"), "Hourly!B5, us: must be a series of sheet Series"),
    "series extra": (cell("Hourly", "J8", 1), "Hourly!J8: stands in a column without a name"),
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


# Hostile files


def zipped(folder: Path, parts: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    file = folder / "made.xlsx"
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not a workbook: not a zip archive"),
        (b"site,zone\nLima,pool\n", "is not a workbook: not a zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is an old .xls or a workbook with a password"),
        (b"PK\x03\x04" + bytes(100), "is not a whole zip archive"),
    ],
)
def test_what_is_no_workbook(content: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "case.xlsx"
    file.write_bytes(content)
    assert words in the_problem(file)


def test_a_zip_of_something_else(tmp_path: Path) -> None:
    assert "cannot be read as a workbook" in the_problem(zipped(tmp_path, {"a.txt": b"x"}))


@pytest.mark.parametrize("name", ["case.xlsm", "case.ods", "case.xls", "case.csv"])
def test_other_formats_are_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert "Give the folder that holds instance.toml, or an .xlsx workbook." in the_problem(tmp_path / name)


def test_truncated_anywhere_it_is_refused(case: Path, tmp_path: Path) -> None:
    content = case.read_bytes()
    for end in range(0, len(content), len(content) // 20):
        file = tmp_path / "cut.xlsx"
        file.write_bytes(content[:end])
        assert problems_of(file)


def test_damaged_anywhere_it_is_refused_or_read(case: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for _ in range(40):
        content = bytearray(case.read_bytes())
        for position in rng.integers(0, len(content), 5):
            content[position] = rng.integers(0, 256)
        file = tmp_path / "damaged.xlsx"
        file.write_bytes(bytes(content))
        with contextlib.suppress(InstanceError):
            read_instance(file)


def test_a_bomb_by_ratio(case: Path, tmp_path: Path) -> None:
    bomb = repacked(case, tmp_path, {"xl/theme/theme1.xml": b"<a>" + b" " * 50_000_000 + b"</a>"})
    assert bomb.stat().st_size < 1_000_000
    assert "unpacks to more than 100 times its size (xl/theme/theme1.xml)" in the_problem(bomb)


def test_a_bomb_by_declared_size(case: Path, tmp_path: Path) -> None:
    file = tmp_path / "bomb.xlsx"
    shutil.copy(case, file)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("xl/extra.xml", b"<a/>")
        archive.filelist[-1].file_size = 3 * 2**30
    assert "must unpack to at most 256 MB, says 3,07" in the_problem(file)


def test_a_part_larger_than_it_says_is_not_unpacked(case: Path, tmp_path: Path) -> None:
    file = tmp_path / "liar.xlsx"
    shutil.copy(case, file)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/extra.xml", b"<a>" + b" " * 10_000_000 + b"</a>")
        archive.filelist[-1].file_size = 100
    assert problems_of(file)


def test_too_large_a_file(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MAX_FILE_BYTES", 2**10)
    assert "must be at most 0 MB" in the_problem(case)


def test_too_many_elements(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MAX_ELEMENTS", 1_000)
    assert "must have at most 1,000 XML elements" in the_problem(case)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (b"<row/>" * 2_000_000, "must have at most 1,048,576 rows in a sheet"),
        (b'<row r="2000000"><c><v>1</v></c></row>', "must have at most 1,048,576 rows in a sheet"),
        (b'<row r="9"/><row r="8"/>', "must have its rows in order; row 8 follows row 9"),
        (b'<row r="x"/>', "must have its rows in order; row x follows row 0"),
        (b'<row r="9">' + b"<c/>" * 20_000 + b"</row>", "must have at most 16,384 cells in a row"),
    ],
)
def test_limits_of_rows_and_cells(rows: bytes, words: str, case: Path, tmp_path: Path) -> None:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = f'<worksheet xmlns="{main}"><sheetData>'.encode() + rows + b"</sheetData></worksheet>"
    target = part_of(case, "Sites")
    file = tmp_path / "rows.xlsx"
    with zipfile.ZipFile(case) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            new.writestr(name, sheet if name == target else old.read(name))
    assert words in the_problem(file)


def test_the_last_row_of_a_sheet_is_read(case: Path, tmp_path: Path) -> None:
    def far(xml: bytes) -> bytes:
        row = b'<row r="1048576"><c r="A1048576" t="inlineStr"><is><t>far</t></is></c></row></sheetData>'
        return xml.replace(b"</sheetData>", row)

    for sheet, words in (("Sites", "Sites!A8: row is blank"), ("Hourly", "Hourly!A54, hour = (blank): must be filled")):
        found = problems_of(repacked(case, tmp_path, {part_of(case, sheet): far}))
        assert any(words in text for text in found), found[:3]
        assert len(found) < 200


DOCTYPE = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/sharedStrings.xml", "xl/styles.xml", "[Content_Types].xml"])
def test_entities_are_refused(part: str, case: Path, tmp_path: Path) -> None:
    file = repacked(case, tmp_path, {part: lambda xml: re.sub(rb"(<\?xml[^>]*>)", rb"\1" + DOCTYPE, xml, count=1)})
    assert f"must not define a document type or entities ({part})" in the_problem(file)


def test_entities_in_another_encoding_are_refused(case: Path, tmp_path: Path) -> None:
    hidden = f'<?xml version="1.0" encoding="UTF-16"?>{DOCTYPE.decode()}<x>&b;</x>'.encode("utf-16")
    file = repacked(case, tmp_path, {"xl/sharedStrings.xml": hidden})
    assert "must not define a document type or entities" in the_problem(file)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("xl/vbaProject.bin", "holds macros. Save it as .xlsx"),
        ("xl/externalLinks/externalLink1.xml", "links to other files. Break the links"),
        ("xl/connections.xml", "links to other files"),
    ],
)
def test_macros_and_links_are_refused(part: str, words: str, case: Path, tmp_path: Path) -> None:
    assert words in the_problem(repacked(case, tmp_path, {part: b"<x/>"}))


def test_two_parts_or_sheets_of_one_name(case: Path, tmp_path: Path) -> None:
    file = tmp_path / "twice.xlsx"
    shutil.copy(case, file)
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("xl/workbook.xml", b"<x/>")
    assert "has two parts of one name" in the_problem(file)
    file = repacked(case, tmp_path, {"xl/workbook.xml": lambda xml: xml.replace(b'"Zones"', b'"Sites"')})
    assert "Sites: stands twice. Delete one of the two sheets." in problems_of(file)


def test_not_xml(case: Path, tmp_path: Path) -> None:
    file = repacked(case, tmp_path, {"xl/styles.xml": b"<styleSheet>"})
    assert "has a part that is not XML" in the_problem(file)
    file = repacked(case, tmp_path, {"xl/media/image1.png": b"\x89PNG", "xl/drawings/x.vml": b"<a><br></a>"})
    assert read_instance(file)


def test_numbers_that_are_none(case: Path, tmp_path: Path) -> None:
    def with_number(sheet: str, address: str, text: str) -> list[str]:
        pattern = rf'(r="{address}"[^>]*><v>)[^<]*'.encode()
        part = part_of(case, sheet)
        return problems_of(
            repacked(case, tmp_path, {part: lambda xml: re.sub(pattern, rb"\g<1>" + text.encode(), xml)})
        )

    assert "Sites!E6, existing_poi_mw = inf: must be a finite number (MW)" in with_number("Sites", "E6", "1e999")[0]
    assert "Sites: cannot be read as a workbook: ValueError" in with_number("Sites", "E6", "nan")[0]
    assert "Hourly!C7, cooling = inf: must be a finite number" in with_number(HOURLY, "C7", "1e999")[0]
    assert any("Sites!E6" in text for text in with_number("Sites", "E6", "9" * 400))
    assert any("Hourly!C7" in text for text in with_number(HOURLY, "C7", "9" * 400))


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
