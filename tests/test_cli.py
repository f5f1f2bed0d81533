"""The contract of the command line: arguments, exit codes, and what goes to stdout."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest
from typer.testing import CliRunner

from optimizer import Plan, __version__, cli, read_instance, read_plan, solve

ROOT = Path(__file__).parents[1]
ONE_SITE = ROOT / "instances" / "one-site"
PORTFOLIO = ROOT / "instances" / "stargate-us"
KEYS = {"status", "objective_usd", "bound_usd", "gap", "solve_seconds", "total_seconds", "instance", "run_dir"}
KEYS |= {"costs", "allocation", "rates", "checks"}


def optimizer(*arguments: object, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    command = [sys.executable, "-m", "optimizer", *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160", **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=env)


def within(*arguments: object) -> tuple[int, str, str]:
    """Run the program in this process: exit code, stdout, stderr."""
    result = CliRunner(env={"COLUMNS": "160"}).invoke(cli.app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def program(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Exit code of the whole program, run in this process with all that it makes of errors."""
    monkeypatch.setattr(sys, "argv", ["optimizer", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert isinstance(left.value.code, int)
    return left.value.code


@cache
def one_site_plan() -> Plan:
    return solve(read_instance(ONE_SITE))


def answer_with(monkeypatch: pytest.MonkeyPatch, answer: Callable[..., Plan]) -> None:
    """Let the command line get this answer instead of solving."""
    monkeypatch.setattr(importlib.import_module("optimizer.solve"), "solve", answer)


def raising(error: BaseException) -> Callable[..., Plan]:
    def answer(*_: Any, **__: Any) -> NoReturn:
        raise error

    return answer


def no_traceback(*texts: str) -> None:
    assert not any("Traceback" in text for text in texts)


# -- help, version, usage ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [[], ["init"], ["validate"], ["solve"], ["show"], ["schema"]])
def test_help(command: list[str]) -> None:
    code, out, _ = within(*command, "--help")
    assert code == 0
    assert "Usage" in out


def test_version() -> None:
    assert within("--version")[:2] == (0, f"{__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["solve"],
        ["solve", "x", "--gap", "2"],
        ["solve", "x", "--gap", "nan"],
        ["solve", "x", "--time-limit", "-1"],
        ["solve", "x", "--time-limit", "inf"],
        ["solve", "x", "--threads", "0"],
        ["solve", "x", "--threads", "many"],
        ["solve", "x", "--bogus"],
        ["show"],
        ["schema", "--format", "xml"],
    ],
)
def test_wrong_usage_is_2(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program(monkeypatch, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    no_traceback(err)


def test_wrong_usage_as_json() -> None:
    run = optimizer("solve", "x", "--gap", "2", "--json")
    assert run.returncode == 2
    found = json.loads(run.stdout)
    assert found["status"] == "usage error"
    assert "--gap" in found["error"]
    assert found["problems"] == []


# -- init, validate, schema -------------------------------------------------------------------------------


def test_init_makes_a_valid_instance(tmp_path: Path) -> None:
    code, out, _ = within("init", tmp_path / "new" / "mine")
    assert code == 0
    assert "optimizer solve" in out
    assert read_instance(tmp_path / "new" / "mine") == read_instance(ONE_SITE)
    code, out, _ = within("validate", tmp_path / "new" / "mine")
    assert code == 0
    assert "one-site" in out


def test_init_leaves_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious", encoding="utf-8")
    code, _, err = within("init", tmp_path)
    assert code == 2
    assert "not an empty folder" in err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_init_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert within("init", tmp_path / "file" / "mine")[0] == 2


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """An instance with two wrong cells."""
    folder = tmp_path / "broken"
    shutil.copytree(ONE_SITE, folder)
    for name, good, bad in (("sites.csv", "valley_power", "vally_power"), ("tariffs.csv", "0.75", "7.5")):
        text = (folder / name).read_text(encoding="utf-8")
        assert good in text
        (folder / name).write_text(text.replace(good, bad), encoding="utf-8")
    return folder


@pytest.mark.parametrize("command", ["validate", "solve"])
def test_bad_data_is_3_with_all_problems(command: str, broken: Path) -> None:
    code, out, err = within(command, broken)
    assert code == 3
    assert out == ""
    assert "sites.csv row 2" in err
    assert "tariffs.csv row 2" in err


def test_bad_data_as_json(broken: Path) -> None:
    run = optimizer("solve", broken, "--json")
    assert run.returncode == 3
    found = json.loads(run.stdout)
    assert found["status"] == "bad data"
    assert {problem["file"] for problem in found["problems"]} == {"sites.csv", "tariffs.csv"}
    assert set(found["problems"][0]) == {"file", "row", "column", "cell", "value", "rule", "fix"}


def test_no_such_folder_is_3(tmp_path: Path) -> None:
    for command in ("validate", "solve", "show"):
        code, _, err = within(command, tmp_path / "nowhere")
        assert code == 3
        assert "nowhere" in err


def test_override_that_names_nothing_is_3() -> None:
    code, _, err = within("solve", ONE_SITE, "--set", "rates.enforced=false")
    assert code == 3
    assert "--set 1" in err


FUTURES = """
[scenarios.low_rate]
set = ["finance.discount_rate=0.04"]
[scenarios.half]
set = ["finance.discount_rate*=0.5"]
[scenarios.both]
extends = ["low_rate", "half"]
[scenarios.amiss]
set = ["finance.inflation=0.01", "finance.discount=0.04"]
"""


@pytest.fixture
def with_futures(tmp_path: Path) -> Path:
    """one-site with a file of scenarios."""
    folder = tmp_path / "futures"
    shutil.copytree(ONE_SITE, folder)
    (folder / "scenarios.toml").write_text(FUTURES, encoding="utf-8")
    return folder


def test_scenarios_apply_in_order_and_before_overrides(with_futures: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    asked = ("--set", "finance.discount_rate+=0.01", "--scenario", "low_rate", "--scenario", "half")
    assert within("solve", with_futures, *asked, "-o", run)[0] == 0
    assert read_plan(run).instance.manifest.finance.discount_rate == pytest.approx(0.04 * 0.5 + 0.01)
    file = with_futures / "scenarios.toml"
    assert within("solve", ONE_SITE, "--scenarios", file, "--scenario", "both", "-o", run, "--overwrite")[0] == 0
    assert read_plan(run).instance.manifest.finance.discount_rate == pytest.approx(0.02)
    within("template", with_futures / "case.xlsx", "--from", ONE_SITE)
    assert within("validate", with_futures / "case.xlsx", "--scenario", "both")[0] == 0


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        (("--scenario", "hlaf"), 2, "no scenario 'hlaf'. Known: low_rate, half, both, amiss."),
        (("--scenario", "half", "--scenario", "half"), 2, "'half' is asked for twice"),
        (("--scenarios", "FILE"), 2, "say which with --scenario. Known: low_rate, half"),
        (("--scenarios", "nowhere.toml", "--scenario", "half"), 2, "nowhere.toml cannot be read"),
        (("--scenario", "half", "--scenario", "amiss"), 3, "scenario amiss, --set 2, finance.discount = 0.04"),
        (("--scenario", "half", "--set", "finance.discount=1"), 3, "--set 1, finance.discount = 1"),
        (("--scenario", "half", "--set", "planning_years=2020"), 3, "scenario half, --set 1 to --set 1"),
    ],
)
def test_scenarios_that_cannot_be_used(
    asked: tuple[str, ...], code: int, words: str, with_futures: Path, tmp_path: Path
) -> None:
    given = [str(with_futures / "scenarios.toml") if word == "FILE" else word for word in asked]
    for command in (("validate",), ("solve",), ("explain",), ("tornado",), ("export", "pypsa")):
        output = ("-o", tmp_path / "out") if command == ("export", "pypsa") else ()
        found, _, err = within(*command, with_futures, *given, *output)
        assert (found, words in err) == (code, True), (command, err)


def test_scenarios_where_there_is_no_file() -> None:
    code, _, err = within("solve", ONE_SITE, "--scenario", "half")
    assert code == 2
    assert "there is no" in err and "--scenarios FILE" in err


def test_schema() -> None:
    code, out, _ = within("schema")
    assert code == 0
    assert "## sites.csv" in out
    assert "existing_poi_mw" in out
    code, out, _ = within("schema", "--format", "json")
    assert code == 0
    assert json.loads(out)["schema_version"] == 1


# -- solve and show ---------------------------------------------------------------------------------------


def test_solve_prints_tables_and_saves_a_run(tmp_path: Path) -> None:
    code, out, err = within("solve", ONE_SITE, "-o", tmp_path / "run")
    assert code == 0
    assert "132.408 million US$" in out
    assert f"Saved in {tmp_path / 'run'}" in err
    assert read_plan(tmp_path / "run").objective_usd == pytest.approx(132_408_400, rel=1e-3)
    assert within("show", tmp_path / "run")[:2] == (0, out)
    assert within("show", tmp_path / "run", "--rates")[1].count("residential") == 3


def test_json_is_one_object_and_nothing_else(tmp_path: Path) -> None:
    run = optimizer("solve", ONE_SITE, "-o", tmp_path / "run", "--json", "--gap", "0", "--threads", "1")
    assert run.returncode == 0
    found = json.loads(run.stdout)
    assert set(found) >= KEYS
    assert found["status"] in ("optimal", "within gap")
    assert found["objective_usd"] == pytest.approx(132_408_400, rel=1e-6)
    assert sum(found["costs"].values()) == pytest.approx(found["objective_usd"], rel=1e-6)
    assert {(row["option"], row["funding_mode"], row["year"]) for row in found["allocation"]} == {
        ("campus_poi", "utility", 2026),
        ("campus_gas", "own", 2026),
    }
    assert len(found["rates"]) == 6
    assert found["checks"]
    assert 0 <= found["solve_seconds"] <= found["total_seconds"]
    assert Path(found["run_dir"]) == tmp_path / "run"
    assert "solve" in run.stderr


def test_overrides_apply_in_order(tmp_path: Path) -> None:
    asked = ("--json", "--gap", "0", "--set", "rates.enforce=true", "--set", "rates.enforce=false")
    code, out, _ = within("solve", ONE_SITE, "-o", tmp_path / "r", *asked)
    assert code == 0
    assert json.loads(out)["objective_usd"] == pytest.approx(128_428_800, rel=1e-6)


def test_default_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path(json.loads(within("solve", ONE_SITE, "--json")[1])["run_dir"])
    assert folder.parent == tmp_path / "results"
    assert folder.name.startswith("one-site-hourly-2")


def test_whatever_a_library_prints_goes_to_stderr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def noisy(*_: Any, **__: Any) -> Plan:
        print("chatter")  # noqa: T201
        return one_site_plan()

    answer_with(monkeypatch, noisy)
    code, out, err = within("solve", ONE_SITE, "-o", tmp_path / "run", "--json")
    assert code == 0
    assert json.loads(out)
    assert "chatter" in err


def test_whatever_c_code_prints_goes_to_stderr(tmp_path: Path) -> None:
    code = (
        "import ctypes, importlib, sys\n"
        "from optimizer import cli\n"
        "module = importlib.import_module('optimizer.solve')\n"
        "solve = module.solve\n"
        "libc = ctypes.CDLL(None)\n"
        "module.solve = lambda *args, **options: (libc.puts(b'chatter'), solve(*args, **options))[1]\n"
        f"sys.argv = ['optimizer', 'solve', {str(ONE_SITE)!r}, '-o', {str(tmp_path / 'run')!r}, '--json']\n"
        "cli.main()\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(run.stdout)
    assert "chatter" in run.stderr


def test_infeasible_is_4(tmp_path: Path) -> None:
    no_substation = "funding_options.campus_poi.max_blocks=0"
    code, out, err = within("solve", ONE_SITE, "-o", tmp_path / "run", "--set", no_substation, "--json")
    assert code == 4
    assert json.loads(out)["status"] == "infeasible"
    assert not (tmp_path / "run").exists()
    no_traceback(err)


def test_time_limit_with_a_plan_is_5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(one_site_plan(), status="feasible at time limit")
    answer_with(monkeypatch, lambda *_, **__: plan)
    code, out, _ = within("solve", ONE_SITE, "-o", tmp_path / "run", "--json")
    assert code == 5
    assert json.loads(out)["status"] == "feasible at time limit"
    assert read_plan(tmp_path / "run").status == "feasible at time limit"


def test_time_limit_without_a_plan_is_6(tmp_path: Path) -> None:
    code, out, _ = within("solve", PORTFOLIO, "-o", tmp_path / "run", "--time-limit", "0.01", "--json")
    assert code == 6
    assert "time limit" in json.loads(out)["status"]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("module", "name"), [("solve", "SolverFailure"), ("check", "CheckError")])
def test_solver_failure_and_failed_check_are_7(
    module: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind: type[Exception] = getattr(importlib.import_module(f"optimizer.{module}"), name)
    error = kind.__new__(kind, "no good")
    Exception.__init__(error, "no good")
    answer_with(monkeypatch, raising(error))
    code, out, err = within("solve", ONE_SITE, "-o", tmp_path / "run")
    assert (code, out) == (7, "")
    assert "no good" in err


def test_unexpected_error_is_7_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, raising(ZeroDivisionError("two\nlines")))
    code, _, err = within("solve", ONE_SITE, "-o", tmp_path / "run")
    assert code == 7
    last = err.splitlines()[-1]
    assert "ZeroDivisionError: two lines" in last
    assert "please report it" in last
    no_traceback(err)


# -- the run folder ---------------------------------------------------------------------------------------


def never(*_: Any, **__: Any) -> NoReturn:
    pytest.fail("solved, though the run cannot be saved")


def test_a_folder_that_cannot_be_written_is_refused_before_solving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(monkeypatch, never)
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("", encoding="utf-8")
    for taken in (tmp_path / "file", tmp_path / "file" / "run", tmp_path / "full"):
        for extra in ([], ["--overwrite"]):
            code, _, err = within("solve", ONE_SITE, "-o", taken, *extra)
            assert code == 2
            assert str(taken) in err
    assert (tmp_path / "full" / "mine.txt").exists()


def test_an_earlier_run_is_replaced_only_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = one_site_plan().save(tmp_path / "run")
    before = (folder / "manifest.json").stat().st_mtime_ns
    code, _, err = within("solve", ONE_SITE, "-o", folder)
    assert code == 2
    assert "--overwrite" in err
    assert (folder / "manifest.json").stat().st_mtime_ns == before
    answer_with(monkeypatch, lambda *_, **__: one_site_plan())
    assert within("solve", ONE_SITE, "-o", folder, "--overwrite")[0] == 0
    assert (folder / "manifest.json").stat().st_mtime_ns > before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_plan_is_not_lost_when_its_folder_is_taken_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any, **__: Any) -> Plan:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "other.txt").write_text("", encoding="utf-8")
        return one_site_plan()

    answer_with(monkeypatch, slow)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, out, err = within("solve", ONE_SITE, "-o", tmp_path / "run", "--json")
    assert code == 0
    assert "instead" in err
    assert read_plan(json.loads(out)["run_dir"]).status == one_site_plan().status


def test_a_changed_run_is_refused(tmp_path: Path) -> None:
    folder = one_site_plan().save(tmp_path / "run")
    with (folder / "rates.csv").open("a", encoding="utf-8") as stream:
        stream.write("\n")
    code, _, err = within("show", folder)
    assert code == 3
    assert "rates.csv" in err


# -- interruption -----------------------------------------------------------------------------------------


def interrupted_at(word: str, folder: Path, sent: signal.Signals = signal.SIGINT) -> tuple[int, dict[str, Any], str]:
    """Start a long solve, press Ctrl-C once a word appears on stderr: exit code, JSON, later stderr."""
    command = [sys.executable, "-m", "optimizer", "solve", PORTFOLIO, "-o", folder, "--gap", "0", "--json"]
    process = subprocess.Popen(
        [*map(str, command), "--time-limit", "120", "--set", "resolutions.coarse.planning_years=2026,2028,2030"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stderr is not None
    assert any(word in line for line in process.stderr)
    process.send_signal(sent)
    out, err = process.communicate(timeout=60)
    return process.returncode, json.loads(out), err


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_before_there_is_a_plan(sent: signal.Signals, tmp_path: Path) -> None:
    code, found, err = interrupted_at("build", tmp_path / "run", sent)
    assert code == 130
    assert found["status"] == "interrupted"
    assert not list(tmp_path.iterdir())
    no_traceback(err)


def test_interrupt_keeps_the_best_plan_so_far(tmp_path: Path) -> None:
    code, found, err = interrupted_at("best plan", tmp_path / "run")
    assert code == 130
    assert found["status"] == "interrupted"
    assert found["objective_usd"] >= found["bound_usd"]
    assert read_plan(tmp_path / "run").status == "interrupted"
    no_traceback(err)


def test_interrupt_while_the_pledge_is_priced_keeps_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, lambda *_, **__: one_site_plan())
    pledge = importlib.import_module("optimizer.pledge")
    monkeypatch.setattr(pledge, "price_of_pledge", raising(KeyboardInterrupt()))
    code, _, err = within("solve", ONE_SITE, "-o", tmp_path / "run", "--price-pledge")
    assert code == 130
    assert "Not finished" in err
    assert read_plan(tmp_path / "run").objective_usd == one_site_plan().objective_usd


def test_interrupt_while_the_run_is_saved_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, lambda *_, **__: one_site_plan())
    write = Plan._write

    def interrupted(plan: Plan, folder: Path) -> None:
        signal.raise_signal(signal.SIGINT)
        write(plan, folder)

    monkeypatch.setattr(Plan, "_write", interrupted)
    assert within("solve", ONE_SITE, "-o", tmp_path / "run")[0] == 130
    assert read_plan(tmp_path / "run").objective_usd == one_site_plan().objective_usd


def test_a_request_to_end_is_heard_where_ctrl_c_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell lets what it starts in the background ignore SIGINT."""
    before = signal.getsignal(signal.SIGTERM), signal.signal(signal.SIGINT, signal.SIG_IGN)
    monkeypatch.setattr(cli, "app", lambda **_: signal.raise_signal(signal.SIGTERM))
    try:
        assert program(monkeypatch, "schema") == 130
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])


# -- streams ----------------------------------------------------------------------------------------------


def test_a_reader_that_leaves_is_no_error() -> None:
    command = [sys.executable, "-m", "optimizer", "schema"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_plain_characters_where_the_terminal_has_no_others(tmp_path: Path) -> None:
    folder = one_site_plan().save(tmp_path / "run")
    run = optimizer("show", folder, PYTHONIOENCODING="ascii")
    assert run.returncode == 0
    assert run.stdout.isascii()


# -- what the documents promise ---------------------------------------------------------------------------


def test_the_example_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    example = readme.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(ROOT)
    exec(example, {})
    assert capsys.readouterr().out.splitlines()[-1] == "keeping the pledge costs 4.0 M$"


def test_the_readme_lists_every_command_and_exit_code() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("init DIR", "validate INSTANCE", "solve INSTANCE", "show RUN", "schema"):
        assert f"| `optimizer {command}` |" in readme
    codes = {code for code, _ in cli.ERROR_CODES.values()} | set(cli.STATUS_CODES.values()) | {cli.MISSED}
    assert {line.split()[1] for line in readme.splitlines() if line[:3] in {f"| {n}" for n in range(10)}} == {
        str(code) for code in codes
    }
