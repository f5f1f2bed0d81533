"""Networks on disk: netCDF files and folders of CSV files, read with care and written whole or not at all."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import shutil
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optimizer.problems import InstanceError, Problem, shown

NETCDF = ".nc"
LOGGERS = ("pypsa", "linopy")
#: Components whose names must come back as they were written.
NAMED = ("Bus", "Generator", "Link", "StorageUnit", "Load", "Carrier", "GlobalConstraint")


#: Attributes that name other components.
NAMES = ("bus", "bus0", "bus1", "carrier", "location", "nice_name", "carrier_attribute")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep PyPSA's log and warnings away while the block runs."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def pypsa() -> Any:
    """The library.

    Raises
    ------
    ModuleNotFoundError
        When it is not installed.
    """
    with quiet():
        return importlib.import_module("pypsa")


def read_network(path: str | os.PathLike[str]) -> Any:
    """Read a PyPSA network from a netCDF file or a folder of CSV files.

    Raises
    ------
    InstanceError
        When there is none, or it cannot be read.
    """
    source = Path(path)
    library = pypsa()
    if not source.is_dir() and not (source.is_file() and source.suffix == NETCDF):
        there = "is not a netCDF file" if source.is_file() else "does not exist"
        raise _refused(source, there, "Give a netCDF file (.nc) or a folder of CSV files.")
    try:
        with quiet():
            network = library.Network(source)
    except Exception as error:  # whatever the readers of foreign files raise
        raise _refused(source, f"cannot be read as a PyPSA network: {shown(error)}", "Check the file.") from error
    if not len(network.components["Bus"].static):
        raise _refused(source, "has no buses", "Is it a PyPSA network?")
    return network


def _refused(source: Path, rule: str, fix: str) -> InstanceError:
    return InstanceError([Problem(str(source), None, None, None, rule, fix)])


def write_network(network: Any, path: str | os.PathLike[str]) -> None:
    """Write a network as a netCDF file (name ends in .nc) or a folder of CSV files.

    Raises
    ------
    FileExistsError
        When something is there already.
    InstanceError
        When a name would not survive in the file.
    """
    target = Path(path)
    refuse_taken(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.parent / f".{target.name}.{uuid.uuid4().hex}{target.suffix}"
    try:
        with quiet():
            if target.suffix == NETCDF:
                network.export_to_netcdf(draft)
            else:
                network.export_to_csv_folder(draft)
        _same_names(network, read_network(draft), target)
        if target.is_dir():
            target.rmdir()
        draft.rename(target)
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        draft.unlink(missing_ok=True)


def refuse_taken(target: Path) -> None:
    """Refuse to write over anything but an empty folder.

    Raises
    ------
    FileExistsError
        When something is there.
    """
    empty = target.suffix != NETCDF and target.is_dir() and not target.is_symlink() and not any(target.iterdir())
    if (target.exists() or target.is_symlink()) and not empty:
        raise FileExistsError(f"{target} exists: choose another, or delete it first")


def _same_names(written: Any, read: Any, target: Path) -> None:
    """CSV files turn some names into other things: NA into nothing, 007 into 7."""
    problems = []
    for component in NAMED:
        before, after = written.components[component].static, read.components[component].static
        lost = [name for name in before.index if name not in set(map(str, after.index))]
        for column in (column for column in NAMES if column in before.columns and not lost):
            found = after[column] if column in after.columns else before[column].map(lambda _: "")
            kept = found.fillna("").astype(str).reindex(before.index)
            lost += list(before[column][before[column].fillna("").astype(str) != kept])
        for name in dict.fromkeys(lost):
            rule = f"does not survive in {target.name} as a name"
            problems.append(Problem(f"{component} {shown(name)}", None, None, None, rule, "Rename it, or write .nc."))
    if problems:
        raise InstanceError(problems)
