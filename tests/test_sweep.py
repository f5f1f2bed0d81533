"""Sweeps on a real local cluster: as one by one, poisoned cases, starting again; comparing runs."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from distributed import LocalCluster
from distributed.security import Security
from test_cli import within
from toy import toy

from optimizer import InstanceError, apply_overrides, read_instance, read_plan, solve
from optimizer.cluster import ClusterError, Scheduler, cluster
from optimizer.compare import against_first, compare, unlike_money
from optimizer.sweep import (
    FEW,
    RESULTS,
    Ledger,
    Lost,
    Settings,
    SweepError,
    Variant,
    grid,
    latin_hypercube,
    read_scenarios,
    refuse_hopeless,
    results,
    sweep,
)
from optimizer.synthetic import synthetic

ONE_SITE = Path(__file__).parents[1] / "instances" / "one-site"
SETTINGS = Settings(gap=1e-6)
PRICES = "fuel_prices.gas.*.usd_per_mmbtu*=0.5,1,2"


def scenarios(folder: Path, text: str) -> Path:
    file = folder / "scenarios.toml"
    file.write_text(text, encoding="utf-8")
    return file


# -- variants ---------------------------------------------------------------------------------------------


def test_scenarios_compose_in_order(tmp_path: Path) -> None:
    file = scenarios(
        tmp_path,
        '[scenarios.dear]\nset = ["a=1"]\n[scenarios.late]\nset = ["b=2"]\n'
        '[scenarios.both]\nextends = ["dear", "late"]\nset = ["a=3"]\n',
    )
    found = {variant.name: variant.overrides for variant in read_scenarios(file)}
    assert found == {"dear": ("a=1",), "late": ("b=2",), "both": ("a=1", "b=2", "a=3")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold"),
        ("[scenarios.a]\nsets = []\n", "only set, extends and weight"),
        ('[scenarios.a]\nextends = ["b"]\n', "extends b, which is not there"),
        ('[scenarios.base]\n[scenarios.a]\nextends = ["bass"]\n', "Did you mean 'base'"),
        ('[scenarios.a]\nset = "b=1"\n', "lists of texts"),
        ("[scenarios.a]\nset = 3\n", "lists of texts"),
        ('[scenarios."../a"]\n', "cannot be the name"),
        ('[scenarios."a/b"]\n', "cannot be the name"),
        ('[scenarios."results.csv"]\n', "cannot be the name"),
        ('[scenarios.a]\nextends = ["a"]\n', "extends itself"),
        ("[scenarios.a]\nset = [1]\n", "lists of texts"),
        ("[scenarios.a]\nweight = -1\n", "weight is a probability"),
        ("[scenarios.a]\nweight = true\n", "weight is a probability"),
        ("[[", "cannot be read"),
    ],
)
def test_scenarios_that_cannot_be_read(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SweepError, match=message):
        read_scenarios(scenarios(tmp_path, text))


def test_a_latin_hypercube_has_one_point_in_every_slice() -> None:
    sample = latin_hypercube(["a*=0..10", "b=-5..5"], 10, seed=3)
    firsts = sorted(int(float(variant.overrides[0].removeprefix("a*="))) for variant in sample)
    assert firsts == list(range(10))
    assert sample == latin_hypercube(["a*=0..10", "b=-5..5"], 10, seed=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=3", r"PATH=LOW\.\.HIGH"),
        ("a=1e..2", r"PATH=LOW\.\.HIGH"),
        ("a*=1.2..0.8", r"write 0\.8\.\.1\.2"),
        ("a=2..2", "LOW < HIGH"),
        ("a", "has no operator"),
        ("a/=1..2", "has the operator /="),
    ],
)
def test_ranges_that_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(SweepError, match=message):
        latin_hypercube([text], 2)


def test_a_path_that_is_given_twice_is_refused() -> None:
    # the last would win without a word, and names would tell of both
    with pytest.raises(SweepError, match="finance.discount_rate= is given twice"):
        grid(["finance.discount_rate=0.05", "finance.discount_rate=0.06"])
    with pytest.raises(SweepError, match="given twice"):
        latin_hypercube(["a*=1..2", "a *= 1..3"], 2)
    assert len(grid(["a=1,2", "a*=3,4"])) == 4


def test_a_range_of_whole_numbers_gives_whole_numbers_evenly() -> None:
    years = [variant.overrides[0] for variant in latin_hypercube(["sites.a.first_year=2026..2030"], 10)]
    assert sorted(years) == [f"sites.a.first_year={year}" for year in range(2026, 2031) for _ in range(2)]
    assert "." in latin_hypercube(["a=0.0..10.0"], 1)[0].overrides[0]


def test_values_with_commas_and_keys_with_signs() -> None:
    variants = grid(['planning_years="2028,2030","2028,2032"', 'sites."a=b".existing_poi_mw-=1,'])
    assert [variant.overrides for variant in variants[1:3]] == [
        ("planning_years=2028,2030", 'sites."a=b".existing_poi_mw-='),
        ("planning_years=2028,2032", 'sites."a=b".existing_poi_mw-=1'),
    ]
    assert variants[0].name == "planning_years=2028-2030_existing_poi_mw-=1"


def test_names_stay_names_of_folders_and_apart() -> None:
    long = grid([f"table{at}.column=1,2" for at in range(5)])
    alike = grid(['a.b="x y","x,y"'])
    for variants in (long, alike):
        names = [variant.name for variant in variants]
        assert len(set(names)) == len(names) and max(map(len, names)) <= 120
    assert {variant.name for variant in alike} != {"b=x-y"}
    assert [variant.name for variant in grid(["a.x=1", "b.x=2"])] == ["a.x=1_b.x=2"]


# -- sweeps -----------------------------------------------------------------------------------------------


def test_a_sweep_is_the_same_as_one_by_one_and_a_poisoned_case_stands_alone(tmp_path: Path, standing: str) -> None:
    variants = [
        *grid([PRICES]),
        Variant("misspelt", ("fuel_prices.coal.*.usd_per_mmbtu=1",)),
        Variant("impossible", ("sites.campus.existing_poi_mw=0", "funding_options.substation.max_blocks=0")),
    ]
    table = sweep(ONE_SITE, variants, tmp_path, settings=SETTINGS, scheduler=standing).set_index("name")
    instance = read_instance(ONE_SITE)
    for variant in variants[:3]:
        alone = solve(apply_overrides(instance, list(variant.overrides)), gap=1e-6)
        assert table.loc[variant.name, "objective_usd"] == pytest.approx(alone.objective_usd, rel=1e-6)
        assert read_plan(tmp_path / variant.name).objective_usd == pytest.approx(alone.objective_usd, rel=1e-6)
    assert table.loc["misspelt", "status"] == "bad data"
    assert "--set 1" in table.loc["misspelt", "message"]
    assert table.loc["impossible", "status"] in {"infeasible", "bad data"}
    kept = pd.read_csv(tmp_path / RESULTS)
    assert kept["name"].tolist() == [variant.name for variant in variants]
    assert kept[PRICES.split("=")[0] + "="].tolist()[:3] == [0.5, 1.0, 2.0]


def test_what_no_variant_can_change_is_told_before_a_cluster_starts(tmp_path: Path) -> None:
    variants = grid(["fuel_pries.gas.*.usd_per_mmbtu*=1,2"])
    with pytest.raises(InstanceError, match="every variant.*Did you mean 'fuel_prices'"):
        sweep(ONE_SITE, variants, tmp_path / "runs", settings=SETTINGS)
    assert not (tmp_path / "runs").exists()
    instance = read_instance(ONE_SITE)
    refuse_hopeless(instance, [*variants, Variant("other", ())])
    refuse_hopeless(instance, grid(["finance.discount_rate=high,0.05"]))


def explode(name: str) -> dict[str, object]:
    assert name != "bad"
    return {"name": name}


def test_a_fault_of_the_program_in_one_case_is_told_as_such(standing: str) -> None:
    with cluster(1, standing) as client:
        found = {job[0]: row for job, row in results(client, explode, [("good",), ("bad",), ("fine",)], 1)}
    assert found["good"] == {"name": "good"} and found["fine"] == {"name": "fine"}
    assert isinstance(found["bad"], Lost) and found["bad"].message.startswith("unexpected AssertionError")


def test_the_table_is_written_seldom_and_always_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand rows that come as fast as they can: written after each, they would be 50 million rows."""
    written: list[int] = []
    whole = pd.DataFrame.to_csv

    def counted(table: pd.DataFrame, *args: Any, **options: Any) -> Any:
        written.append(len(table))
        return whole(table, *args, **options)

    monkeypatch.setattr(pd.DataFrame, "to_csv", counted)
    variants = [Variant(f"v{at}", (f"a={at}",)) for at in range(10_000)]
    ledger = Ledger(tmp_path, variants)
    for variant in variants:
        ledger.add({"name": variant.name, "overrides": variant.overrides[0], "status": "optimal"})
    assert len(pd.read_csv(tmp_path / RESULTS)) == written[-1]
    assert len(ledger.write()) == len(pd.read_csv(tmp_path / RESULTS)) == 10_000
    assert sum(written) < 20 * len(variants)


SWEPT = "fuel_prices.gas.*.usd_per_mmbtu*=" + ",".join(str(1 + at / 100) for at in range(200))


@pytest.mark.skipif(os.name == "nt", reason="no process groups")
def test_interrupted_and_started_again(tmp_path: Path, standing: str) -> None:
    """Ctrl-C goes to the whole group of processes, as a terminal sends it."""
    command = [sys.executable, "-m", "optimizer", "sweep", str(ONE_SITE), "-o", str(tmp_path / "runs"), "--cold"]
    command += ["--workers", "1"]
    process = subprocess.Popen(
        [*command, "--grid", SWEPT], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.lstrip().startswith("3 of 200 "):
            os.killpg(process.pid, signal.SIGINT)
    said = "".join(lines)
    assert process.wait(60) == 130, said
    assert "Traceback" not in said and "goes on from there" in said
    kept = pd.read_csv(tmp_path / "runs" / RESULTS)
    done = [name for name in kept["name"] if (tmp_path / "runs" / name / "manifest.json").is_file()]
    assert 3 <= len(kept) == len(done) < 200
    before = {name: (tmp_path / "runs" / name / "manifest.json").stat().st_mtime_ns for name in done}
    left, again = grid([SWEPT])[: len(done) + 2], Settings(cold=True)
    table = sweep(ONE_SITE, left, tmp_path / "runs", settings=again, scheduler=standing)
    assert table["objective_usd"].notna().all()
    assert {name: (tmp_path / "runs" / name / "manifest.json").stat().st_mtime_ns for name in done} == before


def test_started_again_it_skips_what_is_complete(tmp_path: Path, standing: str) -> None:
    variants = grid([PRICES])
    sweep(ONE_SITE, variants[:2], tmp_path, settings=SETTINGS, scheduler=standing)
    written = {v.name: (tmp_path / v.name / "manifest.json").stat().st_mtime_ns for v in variants[:2]}
    table = sweep(ONE_SITE, variants, tmp_path, settings=SETTINGS, scheduler=standing)
    assert table["status"].eq("optimal").all()
    for name, before in written.items():
        assert (tmp_path / name / "manifest.json").stat().st_mtime_ns == before
    sweep(ONE_SITE, variants[:1], tmp_path, settings=Settings(gap=0.01), scheduler=standing)
    assert (tmp_path / variants[0].name / "manifest.json").stat().st_mtime_ns != written[variants[0].name]


def certificates(folder: Path) -> dict[str, str]:
    """An authority of its own and a certificate by it, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test cluster")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(private)
    cert, key_file = str(folder / "cert.pem"), str(folder / "key.pem")
    return {"tls_ca": cert, "tls_cert": cert, "tls_key": key_file}


@pytest.mark.usefixtures("forked")
def test_an_encrypted_cluster_that_stands_already(tmp_path: Path) -> None:
    files = certificates(tmp_path)
    roles = {
        f"tls_{role}_{part}": files[f"tls_{part}"]
        for role in ("client", "scheduler", "worker")
        for part in ("cert", "key")
    }
    security = Security(tls_ca_file=files["tls_ca"], require_encryption=True, **roles)
    local = {"n_workers": 1, "threads_per_worker": 1, "host": "tls://127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(**local, security=security, silence_logs=50) as made:
        address = made.scheduler_address
        assert address.startswith("tls://")
        variants = grid([PRICES])[:1]
        table = sweep(ONE_SITE, variants, tmp_path / "runs", settings=SETTINGS, scheduler=Scheduler(address, **files))
        assert table["status"].tolist() == ["optimal"]
        with pytest.raises(ClusterError, match="--tls-ca"):
            sweep(ONE_SITE, variants, tmp_path / "open", settings=SETTINGS, scheduler=address)


def test_where_nobody_answers_it_is_told_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimizer.cluster.ANSWER", 1)
    code, _, said = within("sweep", ONE_SITE, "-o", tmp_path, "--grid", PRICES, "--scheduler", "tcp://127.0.0.1:9")
    assert code == 2
    assert "answered at 'tcp://127.0.0.1:9' within 1 s" in said and "leave --scheduler out" in said


def test_where_something_listens_and_says_nothing_it_is_told_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizer.cluster.ANSWER", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ClusterError, match="within 1 s"):
        sweep(ONE_SITE, grid([PRICES]), tmp_path, scheduler=f"tcp://127.0.0.1:{silent.getsockname()[1]}")


def test_where_something_else_answers_it_is_told(tmp_path: Path) -> None:
    """Bytes of a web server, read as the length of a message, ask for more memory than there is."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with server, server.accept()[0] as connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n")
            connection.recv(4096)

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(ClusterError, match="something else"):
        sweep(ONE_SITE, grid([PRICES]), tmp_path, scheduler=f"tcp://127.0.0.1:{server.getsockname()[1]}")
    thread.join()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tls-ca", "a.pem"], "only with --scheduler"),
        (["--scheduler", "tls://127.0.0.1:1", "--tls-ca", "a.pem"], "add --tls-cert, --tls-key"),
        (["--scheduler", "tls://127.0.0.1:1", "--tls-ca", "a", "--tls-cert", "b", "--tls-key", "c"], "no such file"),
    ],
)
def test_options_of_a_cluster_that_do_not_fit(options: list[str], message: str, tmp_path: Path) -> None:
    code, _, said = within("sweep", ONE_SITE, "-o", tmp_path / "runs", "--grid", PRICES, *options)
    assert code == 2
    assert message in " ".join(said.split())
    assert not (tmp_path / "runs").exists()


def test_warm_and_cold_agree_within_the_gap(tmp_path: Path, standing: str) -> None:
    instance = synthetic(2, 8, 2, periods=1)
    variants = grid(["technologies.*.capex_usd_per_kw*=0.9,1,1.1,1.2", "finance.discount_rate+=0,0.01"])
    settings = {cold: Settings(gap=1e-3, cold=cold) for cold in (False, True)}
    warm = sweep(instance, variants, tmp_path / "warm", settings=settings[False], scheduler=standing)
    cold = sweep(instance, variants[::5], tmp_path / "cold", settings=settings[True], scheduler=standing)
    assert len(warm) == len(variants) == FEW
    assert warm["objective_usd"].tolist()[::5] == pytest.approx(cold["objective_usd"].tolist(), rel=2e-3)
    # only what is decomposed can begin from another
    methods = [{read_plan(folder).manifest["method"] for folder in table["run_dir"]} for table in (warm, cold)]
    assert methods == [{"benders"}, {"monolithic"}]


def test_a_cluster_without_workers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["optimizer.cluster"], "PATIENCE", 0.5)
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as made,
        pytest.raises(ClusterError, match="has had no worker"),
    ):
        sweep(ONE_SITE, grid([PRICES]), tmp_path, scheduler=made.scheduler_address)


def test_three_lines_in_a_notebook(tmp_path: Path, standing: str) -> None:
    import optimizer

    table = optimizer.sweep(ONE_SITE, optimizer.grid([PRICES]), tmp_path, scheduler=standing)
    runs = {name: optimizer.read_plan(folder) for name, folder in zip(table["name"], table["run_dir"], strict=True)}
    assert "total" in set(optimizer.compare(runs).costs["name"])
    assert {"tornado_table", "pareto_front", "near_optimal", "regret_table", "latin_hypercube"} <= set(dir(optimizer))


def test_two_variants_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="same name"):
        sweep(ONE_SITE, [Variant("a", ()), Variant("a", ())], tmp_path)


# -- comparing --------------------------------------------------------------------------------------------


def test_compare_says_what_changed_and_what_it_did() -> None:
    instance = read_instance(ONE_SITE)
    runs = {
        "base": solve(instance, gap=1e-6),
        "dear gas": solve(apply_overrides(instance, ["fuel_prices.gas.*.usd_per_mmbtu*=2"]), gap=1e-6),
    }
    found = compare(runs)
    assert set(found.inputs["table"]) == {"fuel_prices"}
    total = found.costs.set_index("name").loc["total"]
    assert total["dear gas"] - total["base"] == pytest.approx(
        runs["dear gas"].objective_usd - runs["base"].objective_usd
    )
    same = compare({"a": runs["base"], "b": runs["base"]})
    assert same.inputs.empty and same.funding.empty and same.costs.empty and same.rates.empty
    with pytest.raises(ValueError, match="two runs"):
        compare({"a": runs["base"]})


def test_compare_tells_money_that_is_not_the_same() -> None:
    plan = solve(toy())
    other = dataclasses.replace(
        plan, instance=apply_overrides(plan.instance, ["finance.discount_rate=0.07", "price_year=2020"])
    )
    assert not unlike_money({"one": plan, "again": plan})
    assert "of 2020, present value of 2026 at 0.07" in unlike_money({"one": plan, "other": other})["other"]


def test_compare_tells_years_series_and_three_runs_apart() -> None:
    """A block more in a year is a row of that year; a series whose mean stays is still another series."""
    instance = read_instance(ONE_SITE)
    name = str(instance.hourly.columns[0])
    hours = instance.hourly[name].to_numpy().copy()
    hours[0], hours[1] = hours[0] * 0.9, hours[1] + hours[0] * 0.1
    shifted = dataclasses.replace(instance, hourly=instance.hourly.assign(**{name: hours}))
    base = solve(instance, gap=1e-6)
    allocation = base.allocation.copy()
    allocation.loc[0, "mw"] += 10
    runs = {
        "base": base,
        "more": dataclasses.replace(base, tables={**base.tables, "allocation": allocation}),
        "shifted": dataclasses.replace(base, instance=shifted),
        "dear": dataclasses.replace(base, instance=apply_overrides(instance, ["finance.discount_rate+=0.01"])),
    }
    found = compare(runs)
    assert found.funding["year"].tolist() == [allocation.loc[0, "year"]]
    shown = against_first(found.funding, list(runs))
    assert shown["change, more"].tolist() == [10.0] and shown["change, shifted"].tolist() == [0.0]
    inputs = found.inputs.set_index(["table", "key", "column"])
    assert ("instance.toml", "finance", "discount_rate") in inputs.index
    assert ("hourly", name, "checksum") in inputs.index and ("hourly", name, "mean") not in inputs.index


def test_command_line(tmp_path: Path, standing: str) -> None:
    axis = "fuel_prices.gas.*.usd_per_mmbtu*=1,2"
    code, out, err = within("sweep", ONE_SITE, "-o", tmp_path, "--grid", axis, "--workers", 1)
    assert code == 0, err
    assert "2 of 2" in err and " left  usd_per_mmbtu*=" in err and "optimizer compare" in err
    assert "optimal" in out and "make-whole, M$" in out
    code, again, _ = within("sweep", ONE_SITE, "-o", tmp_path, "--grid", axis, "--scheduler", standing, "--json")
    assert code == 0 and len(json.loads(again)["table"]) == 2
    runs = sorted(path for path in tmp_path.iterdir() if path.is_dir())
    code, out, _ = within("compare", *runs)
    assert code == 0 and "Inputs that differ" in out and "fuel_prices" in out and "change" in out
    code, out, _ = within("compare", *runs, "--json")
    assert code == 0 and {row["table"] for row in json.loads(out)["inputs"]} == {"fuel_prices"}
    poisoned = ["--set", "finance.discount_rate=0.05", "--grid", "rates.enforce=true,maybe"]
    code, out, err = within("sweep", ONE_SITE, "-o", tmp_path / "p", *poisoned, "--scheduler", standing)
    assert code == 7 and "1 of 2 variants have no plan" in err and "must be true or false" in err
    assert read_plan(tmp_path / "p" / "enforce=true").instance.manifest.finance.discount_rate == 0.05
    assert within("sweep", ONE_SITE, "-o", tmp_path)[0] == 2
    assert within("sweep", ONE_SITE, "-o", tmp_path, "--sample", 3, "--range", "a=3")[0] == 2
    assert within("compare", runs[0])[0] == 2
