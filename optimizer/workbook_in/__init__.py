"""A workbook as an instance: one sheet per table, one for the settings and one for the hourly series.

The file is tested before anything in it is believed (``container``), its cells are read as they stand and never
computed (``cells``), and problems are named by sheet and cell (``places``). The rules of the tables are those of a
folder: this package only turns sheets into what they read. Layout of the sheets: ``layout``.
"""

from optimizer.workbook_in.book import Book, read_book

__all__ = ["Book", "read_book"]
