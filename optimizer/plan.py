"""A plan: the solved answer as frozen tidy tables, saved to and read from a run folder.

A run folder holds one CSV per table, the instance it was solved from and ``manifest.json``, which is written last:
a folder with a manifest is complete. Everything is written to a temporary folder beside the target, then renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from optimizer.instance import Instance, read_instance, write_instance

MANIFEST = "manifest.json"
INSTANCE = "instance"

#: Columns of every table of a plan, in order.
TABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "allocation": (
            "option", "site", "zone", "corridor", "technology", "kind", "funding_mode", "utility",
            "year", "blocks", "mw", "energy_blocks", "mwh", "capex_usd",
        ),
        "retirements": ("asset", "year", "units"),
        "capacity": (
            "resource", "option", "funding_mode", "site", "zone", "corridor", "technology", "kind",
            "year", "blocks", "mw", "mwh",
        ),
        "sites": (
            "site", "year", "open", "it_mw", "peak_load_mw", "poi_mw", "load_mwh", "unserved_mwh", "curtailed_mwh",
            "import_mwh", "export_mwh",
        ),
        "operation": (
            "site", "year", "period", "step", "weight_hours", "load_mw", "generation_mw", "discharge_mw", "import_mw",
            "unserved_mw", "curtailed_mw", "deferred_mw", "charge_mw", "export_mw", "recovered_mw", "backlog_mwh",
        ),
        "resource_operation": (
            "resource", "year", "period", "step", "generation_mw", "charge_mw", "discharge_mw", "state_of_charge_mwh",
            "online_blocks", "started_blocks",
        ),
        "slot_levels": ("resource", "year", "slot", "level_mwh"),
        "corridor_operation": ("corridor", "year", "period", "step", "forward_mw", "backward_mw"),
        "zone_operation": (
            "zone", "year", "period", "step", "local_load_mw", "net_purchase_mw", "price_usd_per_mwh",
            "price_change_usd_per_mwh", "price_rise_payment_usd_per_hour", "matched_clean_mw",
        ),
        "supply_operation": ("zone", "block", "year", "period", "step", "mw"),
        "compute": ("year", "demand_mw", "energised_mw", "unmet_mw"),
        "costs": ("name", "place", "year", "usd", "present_value_usd"),
        "cash_flow": ("calendar_year", "name", "usd"),
        "revenue_requirement": ("utility", "pool", "component", "year", "usd"),
        "tariff_bills": (
            "site", "utility", "year", "billing_month", "months", "metered_peak_mw", "minimum_mw", "billing_demand_mw",
            "demand_charge_usd",
        ),
        "bills": ("site", "utility", "year", "demand_usd", "energy_usd", "fixed_usd", "contract_usd", "total_usd"),
        "network_charges": ("utility", "year", "coincident_mw", "charge_usd"),
        "rates": (
            "utility", "customer_class", "year", "sales_mwh", "without_project_usd_per_mwh", "with_project_usd_per_mwh",
            "change_cents_per_kwh", "cap_cents_per_kwh", "headroom_cents_per_kwh", "binding", "generation_usd",
            "transmission_usd", "distribution_usd", "fuel_usd", "market_energy_usd", "market_capacity_usd",
            "bill_credit_usd", "network_credit_usd", "make_whole_usd", "local_cost_change_usd",
            "typical_bill_change_usd_per_month",
        ),
        "make_whole": ("utility", "customer_class", "year", "usd"),
        "stranding": ("utility", "exit_year", "exposure_usd", "exit_fee_usd", "collateral_usd", "headroom_usd"),
        "capacity_obligation": (
            "zone", "year", "obligation_mw", "accredited_mw", "headroom_mw", "bought_mw", "price_usd_per_kw_year",
            "price_change_usd_per_kw_year",
        ),
        "adequacy": (
            "site", "year", "peak_load_mw", "required_mw", "firm_mw", "largest_mw", "margin_mw", "n_minus_1_margin_mw",
        ),
        "emissions": ("place", "year", "source", "t"),
        "credited_energy": ("resource", "year", "mwh"),
    }
)  # fmt: skip

#: Names of costs that weigh a shortfall or break ties: no money changes hands, so they are in no table of cash.
NOT_CASH = ("curtailment_penalty", "tie_break", "unmet_compute_penalty", "unserved_penalty")

#: Columns that hold text; all others hold numbers.
TEXT = frozenset(
    {
        "option", "site", "zone", "corridor", "technology", "kind", "funding_mode", "utility", "asset", "resource",
        "period", "block", "name", "place", "pool", "component", "customer_class", "source",
    }
)  # fmt: skip


#: What every manifest holds, by JSON type.
VOUCHED: Mapping[str, type | tuple[type, ...]] = MappingProxyType(
    {
        "status": str,
        "objective_usd": (int, float),
        "bound_usd": (int, float),
        "gap": (int, float),
        "instance_hash": str,
        "table_hashes": dict,
    }
)


class PlanError(ValueError):
    """A run folder that is missing, incomplete or changed."""


@dataclass(frozen=True)
class Plan:
    """The answer to an instance.

    Attributes
    ----------
    instance
        The instance that was solved, overrides applied.
    status
        ``optimal``, ``within gap``, ``feasible at time limit`` or ``interrupted``.
    objective_usd, bound_usd, gap
        Present value of the sponsor's cost (real US$ of the base year's price level, discounted to the base year),
        the solver's lower bound on it, and (objective - bound) / |objective|.
    tables
        DataFrames by name; columns as in ``TABLES``.
    manifest
        Versions, options, sizes, timings, checks; written last by ``save``.
    """

    instance: Instance
    status: str
    objective_usd: float
    bound_usd: float
    gap: float
    tables: Mapping[str, pd.DataFrame]
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def allocation(self) -> pd.DataFrame:
        """What is funded: one row per option, funding mode and year of service; MW, MWh, US$."""
        return self.tables["allocation"]

    @property
    def operation(self) -> pd.DataFrame:
        """Every site's balance in every step, MW."""
        return self.tables["operation"]

    @property
    def rates(self) -> pd.DataFrame:
        """Every class of every utility in every year: rate without and with the project, and what makes the change."""
        return self.tables["rates"]

    @property
    def costs(self) -> pd.DataFrame:
        """Costs by name, place and year: US$ of the year and present value."""
        return self.tables["costs"]

    @property
    def cash_flow(self) -> pd.DataFrame:
        """Sponsor's cash by calendar year and cost name, real US$; in the year after the horizon, the value of plant.

        Its present value and that of the costs that are `NOT_CASH` add up to ``objective_usd``.
        """
        return self.tables["cash_flow"]

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the run folder, whole or not at all.

        Raises
        ------
        FileExistsError
            If the folder exists and is not empty (with ``overwrite``: and is not a run).
        """
        target = Path(folder).absolute()
        _refuse_taken(target, overwrite)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            self._write(draft)
            _put_in_place(draft, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return target

    def _write(self, folder: Path) -> None:
        write_instance(self.instance, folder / INSTANCE)
        hashes = {}
        for name in TABLES:
            file = folder / f"{name}.csv"
            _safe_text(self.tables[name]).to_csv(file, index=False, lineterminator="\n")
            hashes[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
        manifest = {
            **self.manifest,
            "status": self.status,
            "objective_usd": self.objective_usd,
            "bound_usd": self.bound_usd,
            "gap": self.gap,
            "instance_hash": self.instance.content_hash,
            "table_hashes": hashes,
        }
        text = json.dumps(manifest, indent=2, sort_keys=True, allow_nan=False) + "\n"
        with (folder / MANIFEST).open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())


def annotate(folder: str | Path, name: str, entry: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Path:
    """Add what was found out about a run: tables in a folder of their own, and an entry in its manifest.

    Everything is written beside its place and renamed, the manifest last; what stood there under the name is replaced.
    """
    run = Path(folder).absolute()
    manifest = json.loads((run / MANIFEST).read_text(encoding="utf-8"))
    draft = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=run))
    try:
        for table, frame in tables.items():
            frame.to_csv(draft / f"{table}.csv", index=False, lineterminator="\n")
        _put_in_place(draft, run / name)
        draft_manifest = run / f".{MANIFEST}.{name}"
        text = json.dumps({**manifest, name: dict(entry)}, indent=2, sort_keys=True, allow_nan=False) + "\n"
        draft_manifest.write_text(text, encoding="utf-8")
        draft_manifest.replace(run / MANIFEST)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return run / name


def is_run(folder: str | Path) -> bool:
    """Does the folder hold a complete run."""
    return (Path(folder) / MANIFEST).is_file() and (Path(folder) / "allocation.csv").is_file()


def refuse_taken(folder: str | Path, *, overwrite: bool = False) -> None:
    """Raise FileExistsError if a run cannot be saved to the folder."""
    _refuse_taken(Path(folder).absolute(), overwrite)


def _refuse_taken(target: Path, overwrite: bool) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not (overwrite and is_run(target)):
        what = "holds a run" if is_run(target) else "exists and is not a run"
        raise FileExistsError(
            f"{target} {what}: choose another folder" + (" or overwrite it" if is_run(target) else "")
        )


def _put_in_place(draft: Path, target: Path) -> None:
    """Rename the draft to its place; an earlier run is moved aside first and removed last."""
    if not target.exists():
        draft.chmod(0o755)
        draft.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    target.rename(old / target.name)
    draft.chmod(0o755)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _safe_text(table: pd.DataFrame) -> pd.DataFrame:
    """Text that a spreadsheet would take for a formula gets a leading apostrophe."""
    text = [column for column in table.columns if column in TEXT]
    return table.assign(**{column: table[column].map(_escape) for column in text})


def _escape(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "'") else value


def _unescape(value: str) -> str:
    return value[1:] if value.startswith("'") else value


def read_plan(folder: str | Path) -> Plan:
    """Read a run folder.

    Raises
    ------
    PlanError
        If the folder is not a complete run, or a table differs from what the manifest vouches for.
    """
    path = Path(folder)
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise PlanError(f"{path} is not a complete run: it has no {MANIFEST}; run 'optimizer solve' again") from None
    except (OSError, ValueError) as error:
        raise PlanError(f"{path / MANIFEST} cannot be read: {error}") from None
    _refuse_incomplete(path / MANIFEST, manifest)
    tables = {name: _read_table(path, name, manifest["table_hashes"]) for name in TABLES}
    flow = tables["cash_flow"]
    tables["cash_flow"] = flow[~flow["name"].isin(NOT_CASH)].reset_index(drop=True)  # older runs had penalties in it
    instance = read_instance(path / INSTANCE)
    if instance.content_hash != manifest["instance_hash"]:
        raise PlanError(f"{path / INSTANCE} is not the instance that was solved: it was changed after the run")
    return Plan(
        instance,
        manifest["status"],
        manifest["objective_usd"],
        manifest["bound_usd"],
        manifest["gap"],
        tables,
        manifest,
    )


def _refuse_incomplete(file: Path, manifest: object) -> None:
    """A manifest vouches for status, figures and tables: without one of them it is not one of ours."""
    entries = manifest if isinstance(manifest, dict) else {}
    wrong = [key for key, kind in VOUCHED.items() if not isinstance(entries.get(key), kind)]
    if wrong:
        raise PlanError(
            f"{file} is not the manifest of a run: {', '.join(wrong)} missing or wrong; run 'optimizer solve' again"
        )


def _read_table(path: Path, name: str, hashes: Mapping[str, str]) -> pd.DataFrame:
    file = path / f"{name}.csv"
    try:
        content = file.read_bytes()
    except OSError:
        raise PlanError(f"{path} is not a complete run: {file.name} is missing") from None
    if hashlib.sha256(content).hexdigest() != hashes.get(file.name):
        raise PlanError(f"{file} was changed after the run was saved: solve again, or restore it")
    text = {column: str for column in TABLES[name] if column in TEXT}
    table = pd.read_csv(
        file,
        dtype=text,
        keep_default_na=False,
        na_values={c: [""] for c in TABLES[name] if c not in TEXT},
        float_precision="round_trip",
    )
    return table.assign(**{column: table[column].map(_unescape) for column in text})
