"""Hostile and unlucky: files at random, kills at random, two runs to one folder.

The ordinary run tries a few; to try many:

    FUZZ_CASES=5000 GUIDED_CASES=5000 WORKBOOK_CASES=5000 KILLS=50 pytest tests/test_hostile.py
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest
from commands import start
from small_instance import small_instance_folder
from test_cli import ONE_SITE, one_site_plan, within

from optimizer import InstanceError, read_instance, read_plan
from optimizer.overrides import apply_overrides
from optimizer.plan import PlanError, is_run
from optimizer.problems import Problem
from optimizer.template import write_template

ROOT = Path(__file__).parents[1]
FUZZ_CASES = int(os.environ.get("FUZZ_CASES", "120"))
GUIDED_CASES = int(os.environ.get("GUIDED_CASES", "60"))
WORKBOOK_CASES = int(os.environ.get("WORKBOOK_CASES", "30"))
KILLS = int(os.environ.get("KILLS", "4"))

#: Cells that have broken readers before.
CELLS = [
    "", " ", "nan", "NaN", "inf", "-inf", "1e999", "-1", "0", "1e-320", "9" * 400, "0x10", "1_000", "1,5", "١٢٣",
    "true", "None", "null", "=1+1", "'", '"', '""', "\x00", "\ufeff", "\u202e", "é" * 50, "../../etc/passwd",
    "/etc/passwd", "C:\\x", "<script>", "a\nb", "a\rb", "a,b", "own;own", ";", "2028.5", "99999999999999999999", "-0",
    "1e3", "+5", " 5", "5 ",
]  # fmt: skip
LINES = [
    "",
    ",",
    ",,,,,,,,,,,",
    '"',
    "#",
    "[[",
    "[a]\n[a]",
    "x = ",
    "x = 1979-05-27",
    "x = [1, 'a']",
    "\x00",
    "= 3",
    "a.b.c = 1",
]

ATTRIBUTES = [b"", b"A1", b"XFD1048576", b"ZZZZ1", b"s", b"b", b"e", b"-1", b"99999999999", b"../x", b"\xff"]

Mutation = Callable[[random.Random, bytes], bytes]


def flip_bytes(chance: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def cut(chance: random.Random, content: bytes) -> bytes:
    return content[: chance.randrange(len(content))]


def replace_cell(chance: random.Random, content: bytes) -> bytes:
    lines = content.decode("utf-8").split("\n")
    at = chance.randrange(len(lines))
    mark = "," if "," in lines[at] else "="
    cells = lines[at].split(mark)
    cells[chance.randrange(len(cells))] = chance.choice(CELLS)
    lines[at] = mark.join(cells)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def insert_line(chance: random.Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(LINES).encode())
    return b"\n".join(lines)


def repeat_line(chance: random.Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    return b"\n".join(lines + [chance.choice(lines)] * chance.randint(1, 3))


def drop_line(chance: random.Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    del lines[chance.randrange(len(lines))]
    return b"\n".join(lines)


def other_encoding(chance: random.Random, content: bytes) -> bytes:
    return content.decode("utf-8").encode(chance.choice(["utf-16", "utf-32", "utf-8-sig", "cp037"]), "replace")


def empty(_: random.Random, __: bytes) -> bytes:
    return b""


MUTATIONS: list[Mutation] = [
    flip_bytes, cut, replace_cell, replace_cell, replace_cell, insert_line, repeat_line, drop_line, other_encoding,
    empty,
]  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_instance_folder(tmp_path_factory.mktemp("sound"))


def problems_of(folder: Path, seed: int) -> tuple[Problem, ...]:
    """What is wrong with a folder; any other error than that fails the test."""
    try:
        read_instance(folder)
    except InstanceError as error:
        return error.problems
    except Exception as error:
        pytest.fail(f"seed {seed}: {type(error).__name__}: {error}")
    return ()


def test_files_at_random_are_read_or_refused_with_reasons(sound: Path, tmp_path: Path) -> None:
    files = sorted(path.name for path in sound.iterdir())
    for seed in range(FUZZ_CASES):
        chance = random.Random(seed)
        folder = tmp_path / str(seed)
        shutil.copytree(sound, folder)
        for _ in range(chance.randint(1, 3)):
            file = folder / chance.choice(files)
            content = file.read_bytes()
            try:
                file.write_bytes(chance.choice(MUTATIONS)(chance, content) if content else b"\n")
            except UnicodeDecodeError:  # it had been mutated out of UTF-8 before
                continue
        started = time.perf_counter()
        for problem in problems_of(folder, seed):
            assert problem.file and problem.rule, f"seed {seed}"
        assert time.perf_counter() - started < 20, f"seed {seed} took too long"
        shutil.rmtree(folder)


#: Modules whose lines guide the search.
READERS = ("consistency", "hourly", "instance", "periods", "problems", "schema", "tables")


def lines_run(folder: Path, seed: int) -> set[tuple[str, int]]:
    """Lines of the readers that run when a folder is read."""
    seen: set[tuple[str, int]] = set()
    watched = {str(ROOT / "optimizer" / f"{name}.py") for name in READERS}

    def trace(frame: FrameType, event: str, _: object) -> object:
        if frame.f_code.co_filename not in watched:
            return None
        if event == "line":
            seen.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        problems_of(folder, seed)
    finally:
        sys.settrace(None)
    return seen


def test_files_guided_by_what_they_reach_are_read_or_refused(sound: Path, tmp_path: Path) -> None:
    """Mutants that reach lines no other reached are kept and mutated further."""
    corpus = [{path.name: path.read_bytes() for path in sound.iterdir()}]
    reached = lines_run(sound, -1)
    at_first = len(reached)
    for seed in range(GUIDED_CASES):
        chance = random.Random(10_000_000 + seed)
        files = dict(chance.choice(corpus[-20:] if chance.random() < 0.5 else corpus))
        name = chance.choice(sorted(files))
        try:
            files[name] = chance.choice(MUTATIONS)(chance, files[name]) if files[name] else b"\n"
        except UnicodeDecodeError:  # it had been mutated out of UTF-8 before
            continue
        folder = tmp_path / str(seed)
        folder.mkdir()
        for file, content in files.items():
            (folder / file).write_bytes(content)
        started = time.perf_counter()
        lines = lines_run(folder, seed)
        assert time.perf_counter() - started < 20, f"seed {seed} took too long"
        if lines - reached:
            reached |= lines
            corpus.append(files)
        shutil.rmtree(folder)
    print(f"{GUIDED_CASES} cases, {at_first} lines at first, {len(reached)} reached, {len(corpus)} kept")  # noqa: T201
    assert len(reached) > at_first or GUIDED_CASES < 20


def parts_of(book: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(book) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def another_text(chance: random.Random, content: bytes) -> bytes:
    """The text of one cell or string replaced."""
    cell = chance.choice(CELLS).encode("utf-8", "replace").replace(b"&", b"&amp;").replace(b"<", b"&lt;")
    return replace_one(chance, content, rb"(?<=<v>)[^<]*(?=</v>)|(?<=<t>)[^<]*(?=</t>)", cell)


def another_attribute(chance: random.Random, content: bytes) -> bytes:
    """One attribute replaced: a cell's place or type, a range, a name, a path."""
    return replace_one(chance, content, rb'(?<==")[^"]*(?=")', chance.choice(ATTRIBUTES))


def replace_one(chance: random.Random, content: bytes, pattern: bytes, by: bytes) -> bytes:
    found = list(re.finditer(pattern, content))
    if not found:
        return content
    start, end = chance.choice(found).span()
    return content[:start] + by + content[end:]


def test_workbooks_at_random_are_read_or_refused_with_cells(sound: Path, tmp_path: Path) -> None:
    book = tmp_path / "sound.xlsx"
    write_template(book, read_instance(sound))
    whole = parts_of(book)
    refused = 0
    for seed in range(WORKBOOK_CASES):
        chance = random.Random(20_000_000 + seed)
        parts = dict(whole)
        for _ in range(chance.choice([1, 1, 1, 4])):
            name = chance.choice(sorted(parts))
            mutation = chance.choice([another_text] * 6 + [another_attribute] * 3 + [flip_bytes, cut, empty])
            parts[name] = mutation(chance, parts[name] or b" ")
        changed = tmp_path / "changed.xlsx"
        with zipfile.ZipFile(changed, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
        started = time.perf_counter()
        problems = problems_of(changed, seed)
        refused += bool(problems)
        assert time.perf_counter() - started < 20, f"seed {seed} took too long"
    print(f"{WORKBOOK_CASES} workbooks, {refused} refused")  # noqa: T201
    assert refused or WORKBOOK_CASES < 20


WORDS = [
    "technologies", "turbine", "capex_usd_per_kw", "sites", "Lima", "*", "[2028]", "[", "]", ".", "=", "*=", "+=", "1",
    "nan", "'", '"', "series", "options", "resolution", "finance", "", " ", "é", "\x00", "1e400", "__class__",
]  # fmt: skip


def test_overrides_at_random_are_applied_or_refused(sound: Path) -> None:
    instance = read_instance(sound)
    for seed in range(5 * FUZZ_CASES):
        chance = random.Random(seed)
        text = "".join(chance.choice(WORDS) for _ in range(chance.randint(1, 8)))
        try:
            apply_overrides(instance, [text])
        except InstanceError:
            pass
        except Exception as error:
            pytest.fail(f"{text!r}: {type(error).__name__}: {error}")


@pytest.mark.usefixtures("forked")
def test_killed_at_a_random_moment_an_earlier_run_is_intact_and_nothing_is_half(tmp_path: Path) -> None:
    run = tmp_path / "run"
    solve = ("solve", ONE_SITE, "-o", run, "--overwrite")
    for _ in range(2):  # the first waits for imports
        started = time.perf_counter()
        process = start(*solve)
        process.join()
        assert process.exitcode == 0
    length = time.perf_counter() - started
    before = read_plan(run).objective_usd
    chance = random.Random(0)
    for kill in range(KILLS):
        process = start(*solve)
        # half of the kills fall into the last tenth, where the run is written
        time.sleep(length * (chance.uniform(0.9, 1.0) if kill % 2 else chance.random()))
        process.kill()
        process.join()
        if run.exists():
            assert read_plan(run).objective_usd == pytest.approx(before)
        for other in tmp_path.iterdir():  # drafts and runs moved aside have names that start with a dot
            assert other == run or other.name.startswith("."), other
        assert run.exists() or any(is_run(inner) for old in tmp_path.glob(".run.old.*") for inner in old.iterdir())


@pytest.mark.usefixtures("forked")
def test_two_runs_to_one_folder_leave_one_whole_run(tmp_path: Path) -> None:
    both = [start("solve", ONE_SITE, "-o", tmp_path / "run", "--overwrite") for _ in range(2)]
    for process in both:
        process.join()
    assert 0 in {process.exitcode for process in both}
    try:
        read_plan(tmp_path / "run")
    except PlanError as error:
        pytest.fail(str(error))


def test_a_folder_that_is_read_only_is_refused_before_solving(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        target = Path("/proc/optimizer-run")  # even root cannot write there
    else:
        (tmp_path / "locked").mkdir(mode=0o500)
        target = tmp_path / "locked" / "run"
    assert within("solve", ONE_SITE, "-o", target)[0] == 2


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    run = one_site_plan().save(tmp_path / "run")
    with full.open("w") as stream:
        command = [sys.executable, "-m", "optimizer", "show", str(run)]
        finished = subprocess.run(command, stdout=stream, stderr=subprocess.PIPE, cwd=ROOT, check=False, text=True)
    assert finished.returncode != 0
    assert "Traceback" not in finished.stderr
    read_plan(run)
