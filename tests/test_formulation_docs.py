"""The written pages say what the code says: a page that lags behind fails here."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.formulation_docs import concerns, formulation_markdown
from optimizer.model.build import CONCERNS
from optimizer.schema_docs import schema_markdown

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("page", "now"), [("optimizer/FORMULATION.md", formulation_markdown), ("instances/SCHEMA.md", schema_markdown)]
)
def test_the_page_is_up_to_date(page: str, now: object) -> None:
    assert (ROOT / page).read_text(encoding="utf-8") == now(), f"{page} lags behind the code: run make docs"  # type: ignore[operator]


def test_every_concern_stands_in_the_page_in_order() -> None:
    assert [f"optimizer.model.{name}" for name in concerns()] == [module.__name__ for module in CONCERNS]
    page = formulation_markdown()
    places = [page.index(f"`optimizer/model/{name}.py`") for name in concerns()]
    assert places == sorted(places)


def test_constraints_stand_with_their_words() -> None:
    page = formulation_markdown()
    assert "| `class_rate_stays_flat` | constraint | cost change of the class <= permitted rise |" in page
    assert "| `make_whole` | variable | paid by the sponsor to a class, M$ a year |" in page
    assert "| `cost_make_whole` | cost | cost make whole |" in page
