"""Sheet Payers and recipients: every payment once in the payer's books and once in the recipient's.

Where both have books of their own (bills, make-whole, contributions, capital, carbon, shared networks, rates) the two
figures come from different tables; suppliers, markets and lenders have none in a plan, and receive what is paid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from optimizer.report.bridge import COMPONENTS
from optimizer.report.parties import (
    COMPONENT_PAID_TO,
    GOVERNMENTS,
    LENDERS,
    LOCALS,
    MARKETS,
    NOBODY,
    PARTIES,
    SPONSOR,
    SUPPLIERS,
    UTILITIES,
)
from optimizer.report.words import cost_words
from optimizer.report.workbook.book import MONEY, TOP, Book, SheetTable
from optimizer.report.workbook.figure import Figure, total


@dataclass(frozen=True)
class Flow:
    """A payment: what the payer's books say, and the recipient's (None: it has none)."""

    name: str
    payer: str
    recipient: str
    paid: Figure
    received: Figure | None = None


@dataclass(frozen=True)
class Ledger:
    """What the checks need: each must be 0."""

    differences: Figure
    paid_less_received: Figure
    sponsor: Figure
    utilities: Figure
    local_customers: Figure


def payers_and_recipients(book: Book) -> Ledger:
    """Write the sheet; the tables that it adds up are already in the book."""
    flows = list(_flows(book.tables))
    received = [flow.received or flow.paid for flow in flows]
    frame = pd.DataFrame(
        {
            "payment": [flow.name for flow in flows],
            "payer": [flow.payer for flow in flows],
            "recipient": [flow.recipient for flow in flows],
            "paid_usd": [flow.paid.value for flow in flows],
            "received_usd": [figure.value for figure in received],
            "difference_usd": [a.paid.value - b.value for a, b in zip(flows, received, strict=True)],
            "books": ["both" if flow.received else "the payer's" for flow in flows],
        }
    )
    note = (
        "Real US$: yearly payments summed over the planning years, capital in the year of service. Paid by the payer's "
        "books, received by the recipient's. Value left in plant and penalties are not payments. Governments: taxes "
        "and credits at what they are worth before tax, as the plan counts them; After tax has those of each year."
    )
    sheet, table = book.table(
        "Payers and recipients", "Each dollar paid is received", note, frame,
        {"paid_usd": [flow.paid.formula for flow in flows], "received_usd": [f.formula for f in received],
         "difference_usd": "{paid_usd}-{received_usd}"},
    )  # fmt: skip
    sheet.set_column(0, 0, 50)
    sheet.set_column(1, 2 + len(PARTIES), 21)
    return _matrix(book, sheet, table)


def _flows(tables: dict[str, SheetTable]) -> Iterator[Flow]:
    yield from _of_sponsor(tables)
    yield from _of_utilities(tables)
    yield from _of_locals(tables)


def _of_sponsor(tables: dict[str, SheetTable]) -> Iterator[Flow]:
    costs, funded = tables["Costs"], tables["Investment plan"]
    second = {
        "own_capital": funded.total("capital_usd", paid_as="own"),
        "contribution": funded.total("capital_usd", paid_as="contribution"),
        "tariff_bills": tables["Tariff bills"].total("total_usd"),
        "shared_network_charges": tables["Shared networks"].total("charge_usd"),
        "make_whole": Figure(0.0, "0") - tables["Rate bridge"].total("make_whole_usd"),
        "carbon": tables["Emissions"].total("carbon_usd"),
    }
    for name, party in sorted(set(zip(costs.frame["name"], costs.frame["paid_to"], strict=True))):
        amount = costs.total("usd", name=name, paid_to=party)
        if party == NOBODY:
            continue
        if amount.value >= 0:
            yield Flow(cost_words(name), SPONSOR, party, amount, second.get(name))
        else:
            yield Flow(cost_words(name), party, SPONSOR, Figure(0.0, "0") - amount)


def _of_utilities(tables: dict[str, SheetTable]) -> Iterator[Flow]:
    costs, funded = tables["Costs"], tables["Investment plan"]
    added, bridge = tables["Utility costs"], tables["Rate bridge"]
    contributed, financed = (funded.total("capital_usd", paid_as=mode) for mode in ("contribution", "utility"))
    yield Flow("plant paid for by contributions", UTILITIES, SUPPLIERS, contributed)
    yield Flow("tax on contributions", UTILITIES, GOVERNMENTS, costs.total("usd", name="contribution_gross_up"))
    yield Flow("capital raised for plant", LENDERS, UTILITIES, financed)
    yield Flow("plant financed by utilities", UTILITIES, SUPPLIERS, financed)
    sold = costs.total("usd", name="market_revenue", paid_to=UTILITIES)
    for component, party in COMPONENT_PAID_TO.items():
        amount = added.total("usd", component=component)
        if component == "purchases":
            amount = amount + sold
        yield Flow(f"added cost: {component.replace('_', ' ')}", UTILITIES, party, amount)
    credited = tables["Tariff bills"].total("credited_usd")
    zero = Figure(0.0, "0")
    back = zero - bridge.total("tariff_revenue_of_the_campuses_usd")
    yield Flow("bills of the campuses, credited in rates", UTILITIES, LOCALS, credited, back)
    network = zero - bridge.total("shared_network_paid_by_the_campuses_usd")
    charged = tables["Shared networks"].total("charge_usd")
    yield Flow("shared network charges, credited in rates", UTILITIES, LOCALS, charged, network)


def _of_locals(tables: dict[str, SheetTable]) -> Iterator[Flow]:
    bridge = tables["Rate bridge"]
    recovered = total([bridge.total(f"{step}_usd") for step in COMPONENTS])
    added = tables["Utility costs"].total("usd")
    yield Flow("added costs of utilities, recovered in rates", LOCALS, UTILITIES, recovered, added)
    for step in ("market_energy_price", "market_capacity_price"):
        yield Flow(step.replace("_", " "), LOCALS, MARKETS, bridge.total(f"{step}_usd"))


def _matrix(book: Book, sheet: object, table: SheetTable) -> Ledger:
    """Payers by recipients, and what each party keeps."""
    top = TOP + len(table.frame) + 2
    book.heads(sheet, top, 0, ["payer \\ recipient", *PARTIES, "paid, US$"])
    money, bold = book.number(MONEY), book.number(MONEY, bold=True)
    paid: dict[str, Figure] = {}
    for row, payer in enumerate(PARTIES, start=top + 1):
        book.put(sheet, row, 0, payer, book.bold)
        for column, recipient in enumerate(PARTIES, start=1):
            cell = table.total("paid_usd", payer=payer, recipient=recipient)
            book.put(sheet, row, column, cell, money)
        paid[payer] = book.put(sheet, row, 1 + len(PARTIES), table.total("paid_usd", payer=payer), bold)
    end = top + 1 + len(PARTIES)
    received = {}
    for row, label in ((end, "received, US$"), (end + 1, "received less paid, US$")):
        book.put(sheet, row, 0, label, book.bold)
    for column, party in enumerate(PARTIES, start=1):
        received[party] = book.put(sheet, end, column, table.total("received_usd", recipient=party), bold)
        book.put(sheet, end + 1, column, received[party] - paid[party], money)
    all_paid, all_received = total(list(paid.values())), total(list(received.values()))
    book.put(sheet, end, 1 + len(PARTIES), all_received, bold)
    return _must_be_zero(book.tables, table, paid, received, all_paid - all_received)


def _must_be_zero(
    tables: dict[str, SheetTable],
    table: SheetTable,
    paid: dict[str, Figure],
    received: dict[str, Figure],
    balance: Figure,
) -> Ledger:
    costs, bills, bridge = tables["Costs"], tables["Tariff bills"], tables["Rate bridge"]
    differences = sum(abs(value) for value in table.frame["difference_usd"])
    kept = bills.total("total_usd") - bills.total("credited_usd")
    spent = costs.total("usd") - costs.total("usd", paid_to=NOBODY)
    return Ledger(
        differences=Figure(differences, f"SUMPRODUCT(ABS({table.column('difference_usd')}))"),
        paid_less_received=balance,
        sponsor=paid[SPONSOR] - received[SPONSOR] - spent,
        utilities=received[UTILITIES] - paid[UTILITIES] - kept,
        local_customers=paid[LOCALS] - received[LOCALS] - bridge.total("all_causes_usd"),
    )
