"""The command line: results on stdout, progress and messages on stderr, and exit codes that scripts can rely on.

0 solved within the gap · 2 usage · 3 bad data · 4 infeasible · 5 time limit, with a plan · 6 time limit, without ·
7 solver failure, failed check or unexpected error · 130 interrupted.

Nothing heavy is imported before a command needs it, so that ``--help`` is instant.
"""

from __future__ import annotations

import contextlib
import ctypes
import datetime
import functools
import json
import math
import os
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TextIO

import typer

from optimizer import __version__

if TYPE_CHECKING:
    from rich.console import Console

    from optimizer.instance import Instance
    from optimizer.plan import Plan
    from optimizer.problems import Problem

USAGE, BAD_DATA, INFEASIBLE, LIMIT_WITH_PLAN, LIMIT_WITHOUT, FAILURE, INTERRUPTED = 2, 3, 4, 5, 6, 7, 130

#: Exit code of a plan by its status.
STATUS_CODES = {"optimal": 0, "within gap": 0, "feasible at time limit": LIMIT_WITH_PLAN, "interrupted": INTERRUPTED}

#: Exit code and status by the name of the error (names, so that nothing is imported to tell them apart).
ERROR_CODES = {
    "InstanceError": (BAD_DATA, "bad data"),
    "PlanError": (BAD_DATA, "bad data"),
    "Infeasible": (INFEASIBLE, "infeasible"),
    "NoIncumbent": (LIMIT_WITHOUT, "time limit without a plan"),
    "Interrupted": (INTERRUPTED, "interrupted"),
    "KeyboardInterrupt": (INTERRUPTED, "interrupted"),
    "SolveError": (FAILURE, "solver failure"),
    "CheckError": (FAILURE, "failed check"),
    "FileExistsError": (USAGE, "usage error"),
    "OSError": (FAILURE, "system error"),
}

#: Set to 1 to see the traceback of an unexpected error.
DEBUG = "OPTIMIZER_DEBUG"

app = typer.Typer(
    name="optimizer",
    help="Decide how much power to fund at each AI data-centre site, with local customers' rates kept flat.",
    epilog="Exit codes: 0 solved within the gap, 2 usage, 3 bad data, 4 infeasible, 5 time limit with a plan, "
    "6 time limit without, 7 failure, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Failure(Exception):
    """What a command ends with when it does not succeed."""

    def __init__(self, code: int, status: str, message: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.code, self.status, self.message, self.problems = code, status, message, problems

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """What an error means to the user."""
        if isinstance(error, Failure):
            return error
        for name in (kind.__name__ for kind in type(error).__mro__):
            if name in ERROR_CODES:
                code, status = ERROR_CODES[name]
                message = str(error) or "stopped before there was a plan; nothing was written"
                return cls(code, status, message, getattr(error, "problems", ()))
        return cls(FAILURE, "unexpected error", _unexpected(error))

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        keys = ("file", "row", "column", "value", "rule", "fix")
        problems = [{key: getattr(problem, key) for key in keys} for problem in self.problems]
        return {"status": self.status, "error": self.message, "problems": problems}


def _unexpected(error: BaseException) -> str:
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return (
        f"unexpected {what} ({Path(frame.filename).name}:{frame.lineno}). This is a fault of the program: "
        f"please report it with the command, the instance and the output of the same command with {DEBUG}=1"
    )


# -- commands ---------------------------------------------------------------------------------------------


def _command(function: Callable[..., int | None]) -> Callable[..., None]:
    """Turn any error of a command into a message and an exit code."""

    @functools.wraps(function)
    def guarded(**options: Any) -> None:
        try:
            code = function(**options)
        except typer.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            code = _report(Failure.of(error), as_json=bool(options.get("as_json")))
        if code:
            raise typer.Exit(code)

    return guarded


def _version(wanted: bool) -> None:
    if wanted:
        _print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
@_command
def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")]) -> None:
    """Make a small instance to start from."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Failure(USAGE, "usage error", f"{folder} exists and is not an empty folder: choose another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(starter().iterdir()):
            shutil.copyfile(file, folder / file.name)
    except OSError as error:
        raise Failure(USAGE, "usage error", f"{folder} cannot be written: {error.strerror}") from None
    _print(f"{folder} is ready. Next: optimizer validate {folder}, then optimizer solve {folder}")


@app.command()
@_command
def validate(
    instance: Annotated[Path, typer.Argument(metavar="INSTANCE", help="Folder of the instance.")],
) -> None:
    """Read an instance and list everything that is wrong with it."""
    from optimizer.instance import read_instance

    found = read_instance(instance)
    manifest = found.manifest
    names = [name for name in ("sites", "utilities", "customer_classes", "funding_options") if found.rows(name)]
    counts = ", ".join(f"{name.replace('_', ' ')} {len(found.rows(name))}" for name in names)
    years = f"{manifest.planning_years[0]} to {manifest.planning_years[-1]}"
    _print(f"{instance} is valid: {manifest.name}, {counts}, {years}; resolutions {', '.join(manifest.resolutions)}")


def _number(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter("must be a finite number")
    return value


@app.command()
@_command
def solve(
    instance: Annotated[Path, typer.Argument(metavar="INSTANCE", help="Folder of the instance.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Run folder; if left out, results/NAME-RESOLUTION-TIME."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a figure first (=, *=, +=, -=). May be repeated."),
    ] = None,
    gap: Annotated[float, typer.Option(min=0, max=1, callback=_number, help="Relative gap to stop at.")] = 0.005,
    time_limit: Annotated[
        float | None, typer.Option(min=0, callback=_number, metavar="S", help="Seconds to search for.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, metavar="N", help="Threads of the solver.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in DIR.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")] = False,
) -> int:
    """Find the cheapest plan that keeps local rates flat, and save it."""
    started = time.perf_counter()
    with _stdout_kept_clean(), _Progress() as progress:
        found = _read(instance, overrides or [], progress)
        folder = _claim(output, found, overwrite)
        from optimizer.solve import solve as solve_instance

        solving = time.perf_counter()
        plan = solve_instance(found, gap=gap, time_limit=time_limit, threads=threads, progress=progress)
        solve_seconds = time.perf_counter() - solving
        progress({"stage": "save"})
        folder = _save(plan, folder, overwrite)
    from optimizer.show import render, summary

    if as_json:
        seconds = {"solve_seconds": solve_seconds, "total_seconds": time.perf_counter() - started}
        _print_json(summary(plan) | seconds | {"run_dir": str(folder)})
    else:
        _print_rich(render(plan))
    _message(f"Saved in {folder}")
    return STATUS_CODES[plan.status]


@app.command()
@_command
def show(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    all_rates: Annotated[bool, typer.Option("--rates", help="Every class in every year.")] = False,
) -> None:
    """Print the tables of a saved run."""
    from optimizer.plan import read_plan
    from optimizer.show import render

    _print_rich(render(read_plan(run), all_rates=all_rates))


@app.command()
@_command
def schema(
    form: Annotated[
        Literal["markdown", "json"], typer.Option("--format", help="For people or for programs.")
    ] = "markdown",
) -> None:
    """Print every file and column of an instance, with unit, limits, default and meaning."""
    from optimizer.schema_docs import schema_json, schema_markdown

    if form == "json":
        _print_json(schema_json())
    else:
        _print(schema_markdown())


# -- steps of solve ---------------------------------------------------------------------------------------


def _read(path: Path, overrides: list[str], progress: _Progress) -> Instance:
    progress({"stage": "read"})
    from optimizer.instance import read_instance
    from optimizer.overrides import apply_overrides

    found = read_instance(path)
    return apply_overrides(found, overrides) if overrides else found


def _claim(output: Path | None, instance: Instance, overwrite: bool) -> Path:
    """Make sure that the run can be saved, before an hour of solving."""
    from optimizer.plan import is_run, refuse_taken

    folder = output or _default_folder(instance)
    if is_run(folder) and not overwrite:
        raise Failure(USAGE, "usage error", f"{folder} holds a run: choose another -o, or replace it with --overwrite")
    refuse_taken(folder, overwrite=overwrite)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder.parent):
            pass
    except OSError as error:
        raise Failure(
            USAGE, "usage error", f"{folder} cannot be written: {error.strerror}; choose another -o"
        ) from None
    return folder


def _default_folder(instance: Instance) -> Path:
    manifest = instance.manifest
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    name = re.sub(r"[^\w.-]+", "-", f"{manifest.name}-{manifest.options.resolution}-{now}").lstrip("-.")
    folder = Path("results") / name
    taken = 1
    while folder.exists():
        taken += 1
        folder = folder.with_name(f"{name}-{taken}")
    return folder


def _save(plan: Plan, folder: Path, overwrite: bool) -> Path:
    """Save the run; elsewhere if its folder can no longer be written, so that the plan is not lost."""
    try:
        return plan.save(folder, overwrite=overwrite)
    except OSError as error:
        rescue = Path(tempfile.mkdtemp(prefix="optimizer-")) / folder.name
        _message(f"{folder} cannot be written ({error.strerror or error}); saving in {rescue} instead")
        return plan.save(rescue)


class _Progress:
    """Tells on stderr where a solve stands: one changing line on a terminal, else a line when there is news."""

    EVERY_SECONDS = 10.0

    def __init__(self) -> None:
        from rich.live import Live

        self._console = _console(sys.stderr)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._started = time.perf_counter()
        self._news: tuple[str, bool] = ("", False)
        self._told = 0.0

    def __enter__(self) -> _Progress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def __call__(self, event: dict[str, Any]) -> None:
        elapsed = time.perf_counter() - self._started
        news = event["stage"], event.get("objective_usd") is not None
        line = f"{elapsed:8.1f} s  {event['stage']:<8}{_figures(event)}"
        if self._console.is_terminal:
            self._live.update(line, refresh=True)
        elif news != self._news or elapsed - self._told >= self.EVERY_SECONDS:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
            self._told = elapsed
        self._news = news


def _figures(event: dict[str, Any]) -> str:
    """Incumbent, bound and gap of an event, as far as known."""
    words = []
    if event.get("objective_usd") is not None:
        words.append(f"best plan {event['objective_usd'] / 1e6:,.1f} M$")
    if event.get("bound_usd") is not None and math.isfinite(event["bound_usd"]):
        words.append(f"bound {event['bound_usd'] / 1e6:,.1f} M$")
    if event.get("gap") is not None and math.isfinite(event["gap"]):
        words.append(f"gap {event['gap'] * 100:.2f} %")
    return "  ".join(words)


# -- output -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _stdout_kept_clean() -> Iterator[None]:
    """Send to stderr whatever a library prints while the block runs: from Python, or from C as HiGHS 1.16 does."""
    sys.stdout.flush()
    redirect = _descriptor_sent_to_stderr() if sys.stdout is sys.__stdout__ else contextlib.nullcontext()
    with redirect, contextlib.redirect_stdout(sys.stderr):
        yield


@contextlib.contextmanager
def _descriptor_sent_to_stderr() -> Iterator[None]:
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, TypeError):  # where C's buffers cannot be reached from here
            ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


def starter() -> Path:
    """Folder of the instance that ``init`` copies: inside the package when installed, else in the checkout."""
    packaged = Path(__file__).parent / "starter"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "instances" / "one-site"


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    wide = None if stream.isatty() or "COLUMNS" in os.environ else 160
    return Console(file=stream, width=wide)


def _print(text: str) -> None:
    """Print to stdout; a reader that has left is no error."""
    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()


def _print_rich(renderable: Any) -> None:
    try:
        _console(sys.stdout).print(renderable)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()


def _discard_stdout() -> None:
    """Let what is still buffered go nowhere, so that Python's own flush at exit is quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_json(value: dict[str, Any]) -> None:
    _print(json.dumps(value, allow_nan=False))


def _message(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(text, file=sys.stderr)  # noqa: T201


def _report(failure: Failure, *, as_json: bool) -> int:
    """Tell the user, on stderr or as JSON; the exit code."""
    if as_json:
        _print_json(failure.as_dict())
    elif failure.problems:
        count = f"{len(failure.problems)} problems" if len(failure.problems) > 1 else "1 problem"
        _message(f"{count} found:\n" + "\n".join(f"  {problem}" for problem in failure.problems))
    else:
        _message(f"optimizer: {failure.message}")
    return failure.code


def main() -> NoReturn:
    """Run the command line."""
    try:
        code = app(standalone_mode=False)
    except KeyboardInterrupt:
        code = _report(Failure.of(KeyboardInterrupt()), as_json="--json" in sys.argv)
    except Exception as error:
        code = _report(_usage(error) or Failure.of(error), as_json="--json" in sys.argv)
    sys.exit(code if isinstance(code, int) else 0)


def _usage(error: Exception) -> Failure | None:
    """The failure of a mistyped command; None for any other error."""
    if not hasattr(error, "format_message"):
        return None
    hint = " (optimizer --help tells how)"
    return Failure(USAGE, "usage error", f"{error.format_message()}{hint}")


if __name__ == "__main__":
    main()
