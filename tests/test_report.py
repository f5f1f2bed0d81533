"""Reports: whole in one file, figures of the tables, harmless names; drawn in a browser where there is one."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from test_cli import within
from toy import plant, solved, toy

from optimizer import Plan, read_instance, solve
from optimizer.explain import marginal_values
from optimizer.report import community_html, report_html
from optimizer.report.html import _dispatch
from optimizer.report.limits import what_binds

ONE_SITE = Path(__file__).parents[1] / "instances" / "one-site"
HOSTILE = "<script>alert(1)</script>"


@cache
def one_site() -> Plan:
    return solve(read_instance(ONE_SITE), gap=1e-6)


@cache
def hostile() -> Plan:
    return solve(
        toy(
            plant(HOSTILE, site=HOSTILE, variable_om_usd_per_mwh=10),
            sites=[{"site": HOSTILE, "zone": "valley", "existing_poi_mw": 100.0, "latitude": 40.0, "longitude": -90.0}],
            site_years=[{"site": HOSTILE, "year": 2026, "floor_mw": 50.0, "ceiling_mw": 50.0}],
            compute_demand=[{"year": 2026, "it_mw": 150.0}],
            manifest={"title": HOSTILE},
        )
    )


def without_plotly(page: str) -> str:
    """The page less its longest script."""
    return max(re.split(r"<script>[^<]{0,40}plotly\.js.*?</script>", page, flags=re.S), key=len)


def test_the_page_says_cost_status_and_pledge() -> None:
    page = report_html(one_site())
    assert "132.408 million US$" in page
    assert "<b>optimal</b>, no cheaper plan exists" in page
    assert "Pledge: kept." in page


def test_every_funded_row_stands_in_the_page() -> None:
    page = report_html(one_site())
    for row in one_site().allocation.itertuples():
        assert f"<td>{row.option}</td>" in page
        assert f'data-v="{row.mw}"' in page


def test_nothing_is_fetched() -> None:
    for page in (report_html(one_site()), community_html(one_site(), "campus")):
        assert not re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?!data:)[^"]+"', page)
        assert "@import" not in page


def test_names_from_data_are_text() -> None:
    page = report_html(hostile())
    assert page.count("<script>alert(1)") == 0
    assert "&lt;script&gt;alert(1)" in page
    assert community_html(hostile(), HOSTILE).count("<script>alert(1)") == 0


def test_the_community_page_speaks_of_its_site() -> None:
    page = community_html(one_site(), "campus")
    assert "In no year would a typical customer of valley_power pay more than without this campus." in page
    assert "grid connection (substation)" in page
    assert "the utility pays for it and bills the project" in page
    exposure = one_site().tables["stranding"]["exposure_usd"].max() / 1e6
    assert f"{exposure:,.1f}" in page


def test_what_binds_and_the_value_of_compute_stand_in_the_page() -> None:
    """An eleventh MW at the campus costs what the marginal values say; without them the section is left out."""
    plan = one_site()
    margins = marginal_values(plan)
    page = report_html(plan, margins)
    assert "What binds, and what one unit more would change" in page
    assert "what one unit more would change" not in report_html(plan)
    for name in what_binds(margins)["what binds"]:
        assert f"<td>{name}</td>" in page


def test_stored_energy_is_drawn_where_there_is_a_store() -> None:
    plan = solved(
        toy(
            plant("store", kind="storage", block_mw=10, max_blocks=2, capex_usd_per_kw=1, min_duration_hours=2,
                  max_duration_hours=2, charge_efficiency=1.0, discharge_efficiency=1.0),
            price=[10.0, 10.0, 200.0, 200.0], site={"existing_poi_mw": 140.0},
        )
    )  # fmt: skip
    assert "stored energy" in report_html(plan)
    assert "stored energy" not in report_html(one_site())
    (chart,) = (c for c in _dispatch(plan) if "stored energy" in c.layout.title.text)
    assert max(chart.data[0].y) == pytest.approx(plan.tables["resource_operation"]["state_of_charge_mwh"].max())


def test_a_replay_is_told() -> None:
    plan = one_site()
    entry = {
        "misses": ["load served, campus, 2030: 2, against 1"],
        "errors": dict.fromkeys(("objective", "load", "peak_import"), -0.01),
    }
    page = report_html(dataclasses.replace(plan, manifest={**plan.manifest, "replay": entry}))
    assert "The plan misses 1 limit: load served, campus, 2030: 2, against 1." in page
    assert "cost is 1.0 % higher" in page


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium on this machine")
def test_the_community_page_prints_on_two_pages(tmp_path: Path) -> None:
    page, printed = tmp_path / "page.html", tmp_path / "page.pdf"
    page.write_text(community_html(one_site(), "campus"), encoding="utf-8")
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=8000", "--no-pdf-header-footer",
        f"--print-to-pdf={printed}", page.as_uri(),
    ]  # fmt: skip
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes())) == 2


def test_an_island_has_no_rates() -> None:
    assert "no grid connection" in community_html(hostile(), HOSTILE)


def test_command_line(tmp_path: Path) -> None:
    run = one_site().save(tmp_path / "run")
    assert within("report", run)[0] == 0
    assert (tmp_path / "run.html").stat().st_size > 1e6
    assert within("report", run, "--site", "campus", "-o", tmp_path / "campus.html")[0] == 0
    code, _, err = within("report", run, "--site", "nowhere")
    assert code == 2 and "it has campus" in err
    code, _, err = within("report", run, "-o", tmp_path / "no" / "folder.html")
    assert code == 2 and "cannot be written" in err


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("plan", [one_site, hostile])
def test_a_browser_draws_every_chart_without_complaint(plan: object, tmp_path: Path) -> None:
    page = report_html(plan())  # type: ignore[operator]
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--dump-dom",
        f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--virtual-time-budget=8000",
        "--host-resolver-rules=MAP * ~NOTFOUND", file.as_uri(),
    ]  # fmt: skip
    drawn = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert drawn.stdout.count('class="main-svg"') >= drawn.stdout.count('class="plotly-graph-div')
    assert drawn.stdout.count('class="plotly-graph-div') > 3
    assert "CONSOLE" not in drawn.stderr
