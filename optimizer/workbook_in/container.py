"""The file itself, before anything in it is believed: its size, its kind, what it unpacks to, and its XML.

A workbook is a zip archive of XML parts. Each part is counted through once by expat, which refuses document types
(and so entities) and stops at the limits; only then does openpyxl read it.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from optimizer.tables import Unreadable
from optimizer.workbook_in.layout import SHEET_COLUMNS, SHEET_ROWS

#: Largest workbook, as a file and unpacked.
MAX_FILE_BYTES = 64 * 2**20
MAX_UNPACKED_BYTES = 256 * 2**20
#: Most times that a part may unpack to its packed size; parts up to 1 MB may do as they like.
MAX_RATIO = 100
SMALL_PART_BYTES = 2**20
#: Most parts of a workbook, and most XML elements of all parts together.
MAX_PARTS = 2_000
MAX_ELEMENTS = 10_000_000
CHUNK_BYTES = 2**16

OLD_FORMAT = b"\xd0\xcf\x11\xe0"
XML_SUFFIXES = (".xml", ".rels")
SAVE_AS = "Save it as .xlsx (Excel workbook)."


def read_container(path: Path) -> tuple[bytes, dict[str, str]]:
    """Read a workbook's file and test all of it.

    Returns
    -------
    tuple
        The bytes, and the first merged range of every part that has one.

    Raises
    ------
    Unreadable
        With what is wrong.
    """
    content = _content(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _test_parts(path.name, archive.infolist())
            count = _Count(path.name)
            for part in archive.infolist():
                _test_xml(count, archive, part)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise _refusal(path.name, f"is not a whole zip archive: {error}", SAVE_AS) from None
    except Exception as error:  # a damaged stream fails in ways of its own
        if isinstance(error, Unreadable):
            raise
        raise _refusal(path.name, f"cannot be unpacked: {error}", SAVE_AS) from None
    return content, count.merged


def _refusal(name: str, rule: str, fix: str) -> Unreadable:
    return Unreadable(name, None, rule, fix)


def _content(path: Path) -> bytes:
    """Bytes of the file, after testing its size and how it begins."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            rule = f"must be at most {MAX_FILE_BYTES // 2**20} MB, is {size / 2**20:.1f} MB"
            raise _refusal(path.name, rule, "Shorten it, or write a folder.")
        content = path.read_bytes()
    except OSError as error:
        raise _refusal(path.name, f"cannot be read: {error.strerror or error}", "Check the file.") from None
    if content.startswith(OLD_FORMAT):
        raise _refusal(path.name, "is an old .xls or a workbook with a password", f"Remove the password. {SAVE_AS}")
    if not content.startswith(b"PK"):
        raise _refusal(path.name, "is not a workbook: not a zip archive", SAVE_AS)
    return content


def _test_parts(name: str, parts: list[zipfile.ZipInfo]) -> None:
    """Test what the archive says about its parts; more than it says is never unpacked."""
    if len(parts) > MAX_PARTS:
        raise _refusal(name, f"must have at most {MAX_PARTS:,} parts, has {len(parts):,}", SAVE_AS)
    if len({part.filename.lower() for part in parts}) < len(parts):
        raise _refusal(name, "has two parts of one name", SAVE_AS)
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MAX_UNPACKED_BYTES:
        rule = f"must unpack to at most {MAX_UNPACKED_BYTES // 2**20} MB, says {unpacked / 2**20:,.0f} MB"
        raise _refusal(name, rule, "Shorten it, or write a folder.")
    for part in parts:
        if part.flag_bits & 1:
            raise _refusal(name, "has a password", "Remove it.")
        if part.file_size > max(SMALL_PART_BYTES, MAX_RATIO * part.compress_size):
            rule = f"unpacks to more than {MAX_RATIO} times its size ({part.filename})"
            raise _refusal(name, rule, "Delete empty formatted rows, or write a folder.")
        _test_kind(name, part.filename.lower())


def _test_kind(name: str, part: str) -> None:
    if part.endswith(("vbaproject.bin", "vbadata.xml")) or part.startswith("xl/macrosheets/"):
        raise _refusal(name, "holds macros", "Save it as .xlsx, without them.")
    if part.startswith(("xl/externallinks/", "xl/connections")):
        raise _refusal(name, "links to other files", "Break the links (Data, Edit links) and paste values.")


class _Count:
    """Counts elements while expat reads, and remembers merged ranges."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.part = ""
        self.elements = self.cells = self.row = 0
        self.merged: dict[str, str] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            self.refuse(f"must have at most {MAX_ELEMENTS:,} XML elements")
        tag = tag.rpartition(":")[2]
        if tag == "c":
            self.cells += 1
            if self.cells > SHEET_COLUMNS:
                self.refuse(f"must have at most {SHEET_COLUMNS:,} cells in a row")
        elif tag == "row":
            self._next_row(attributes.get("r", str(self.row + 1)))
        elif tag == "mergeCell":
            self.merged.setdefault(self.part, attributes.get("ref", ""))

    def _next_row(self, text: str) -> None:
        self.cells = 0
        row = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        if self.part.startswith("xl/worksheets/") and row <= self.row:
            self.refuse(f"must have its rows in order; row {text[:20]} follows row {self.row}")
        if row > SHEET_ROWS:
            self.refuse(f"must have at most {SHEET_ROWS:,} rows in a sheet")
        self.row = row

    def refuse_document_type(self, *_: object) -> None:
        """A document type could define entities that expand without end."""
        self.refuse("must not define a document type or entities")

    def refuse(self, rule: str) -> NoReturn:
        """Raise Unreadable."""
        raise _refusal(self.name, f"{rule} ({self.part})", SAVE_AS)


def _test_xml(count: _Count, archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """Read a part through once; parts that are not XML by name may be anything else."""
    count.part, count.cells, count.row = part.filename, 0, 0
    parser = expat.ParserCreate()
    parser.StartElementHandler = count.start
    parser.StartDoctypeDeclHandler = count.refuse_document_type
    parser.EntityDeclHandler = count.refuse_document_type
    try:
        with archive.open(part) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        if part.filename.lower().endswith(XML_SUFFIXES):
            count.refuse(f"has a part that is not XML: {error}")
