"""Workbooks made to harm: bombs, entities, macros, links, damage; each is refused with a reason, or read."""

from __future__ import annotations

import contextlib
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from workbooks import part_of, problems_of, repacked, small_book, the_problem

from optimizer.instance import InstanceError, read_instance
from optimizer.workbook_in import container
from optimizer.workbook_in.layout import HOURLY


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_book(tmp_path_factory.mktemp("book"))


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


def test_a_row_far_below_is_read(case: Path, tmp_path: Path) -> None:
    for sheet, line, words in (
        ("Sites", 1_048_576, "Sites!A8: row is blank"),
        ("Hourly", 100_000, "Hourly!A54, hour = (blank): must be filled"),
    ):
        row = f'<row r="{line}"><c r="A{line}" t="inlineStr"><is><t>far</t></is></c></row></sheetData>'.encode()
        far = {part_of(case, sheet): lambda xml, row=row: xml.replace(b"</sheetData>", row)}
        found = problems_of(repacked(case, tmp_path, far))
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
