"""An input workbook: a sheet per table with units, notes and drop-downs, empty or filled from an instance.

The sheets are laid out as ``workbook_in.layout`` says, so that what is written reads back unchanged.
"""

from optimizer.template.write import write_template

__all__ = ["write_template"]
