"""The workbook of a run: cached figures are the plan's, formulas give them again, text stays text."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from test_cli import within
from test_report import HOSTILE, hostile, one_site
from toy import plant, solved, toy

from optimizer import Plan
from optimizer.report.workbook import TABLES, write_workbook
from optimizer.show import present_mwh

SOFFICE = shutil.which("soffice") or shutil.which("libreoffice")


def opened(plan: Plan, folder: Path, *, values: bool = True) -> Any:
    file = folder / "run.xlsx"
    write_workbook(plan, file)
    return openpyxl.load_workbook(file, data_only=values)


def labelled(sheet: Any) -> dict[str, Any]:
    """First column -> second."""
    return {row[0].value: row[1].value for row in sheet.iter_rows(min_row=3, max_col=2) if row[0].value is not None}


def assert_figures(book: Any, plan: Plan) -> None:
    summary = labelled(book["Summary"])
    cash = float(plan.objective_usd)
    assert summary["cost, present value, US$"] == pytest.approx(cash)
    assert summary["cost per MWh delivered, US$"] == pytest.approx(cash / present_mwh(plan), rel=1e-9)
    assert summary["NPV of the cash flow, US$"] == pytest.approx(cash, rel=1e-9)
    assert labelled(book["Cash flow"])["NPV"] == pytest.approx(cash, rel=1e-9)
    checks = labelled(book["Checks"])
    assert len(checks) == 7  # heading and six checks
    assert [value for name, value in checks.items() if name != "check"] == [0] * 6


def test_cached_figures_are_those_of_the_plan(tmp_path: Path) -> None:
    assert_figures(opened(one_site(), tmp_path), one_site())


@pytest.mark.skipif(SOFFICE is None, reason="no LibreOffice on this machine")
def test_recalculated_formulas_give_the_same_figures(tmp_path: Path) -> None:
    write_workbook(one_site(), tmp_path / "run.xlsx")
    recalculated = tmp_path / "again"
    command = [str(SOFFICE), f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", "ods"]
    subprocess.run([*command, "--outdir", recalculated, tmp_path / "run.xlsx"], check=True, capture_output=True)
    back = [*command[:-1], "xlsx", "--outdir", recalculated, recalculated / "run.ods"]
    subprocess.run(back, check=True, capture_output=True)
    assert_figures(openpyxl.load_workbook(recalculated / "run.xlsx", data_only=True), one_site())


def test_every_table_stands_whole(tmp_path: Path) -> None:
    book = opened(one_site(), tmp_path)
    for name, (table, _) in TABLES.items():
        frame = one_site().tables[table]
        rows = list(book[name].iter_rows(min_row=4, values_only=True))
        assert list(rows[0]) == list(frame.columns)
        assert len(rows) == len(frame) + 1


def test_formulas_are_live(tmp_path: Path) -> None:
    book = opened(one_site(), tmp_path, values=False)
    formulas = [cell.value for row in book["Checks"].iter_rows() for cell in row if str(cell.value).startswith("=")]
    assert len(formulas) == 6


def test_names_from_data_never_become_formulas(tmp_path: Path) -> None:
    plan = solved(toy(plant("=1+1", variable_om_usd_per_mwh=10)))
    book = opened(plan, tmp_path, values=False)
    cell = book["Investment plan"]["A5"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")
    assert opened(hostile(), tmp_path)["Summary"]["A1"].value == HOSTILE


def test_command_line(tmp_path: Path) -> None:
    run = one_site().save(tmp_path / "run")
    assert within("report", run, "--xlsx")[0] == 0
    assert openpyxl.load_workbook(tmp_path / "run.xlsx").sheetnames[0] == "Summary"
    assert within("report", run, "--xlsx", "--site", "campus")[0] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.xlsx"]
