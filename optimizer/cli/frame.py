"""What every command shares: the application, exit codes, and errors turned into messages."""

from __future__ import annotations

import functools
import os
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from optimizer import __version__
from optimizer.cli.output import message, print_json, print_text

if TYPE_CHECKING:
    from optimizer.problems import Problem

USAGE, BAD_DATA, INFEASIBLE, LIMIT_WITH_PLAN, LIMIT_WITHOUT, FAILURE, MISSED, INTERRUPTED = 2, 3, 4, 5, 6, 7, 8, 130

#: Exit code of a plan by its status.
STATUS_CODES = {"optimal": 0, "within gap": 0, "feasible at time limit": LIMIT_WITH_PLAN, "interrupted": INTERRUPTED}

#: Exit code and status by the name of the error (names, so that nothing is imported to tell them apart).
ERROR_CODES = {
    "InstanceError": (BAD_DATA, "bad data"),
    "MissingPackageError": (USAGE, "usage error"),
    "PlanError": (BAD_DATA, "bad data"),
    "Infeasible": (INFEASIBLE, "infeasible"),
    "NoIncumbent": (LIMIT_WITHOUT, "time limit without a plan"),
    "Interrupted": (INTERRUPTED, "interrupted"),
    "KeyboardInterrupt": (INTERRUPTED, "interrupted"),
    "ReplayError": (FAILURE, "failed replay"),
    "SolveError": (FAILURE, "solver failure"),
    "CheckError": (FAILURE, "failed check"),
    "MissingSettings": (USAGE, "usage error"),
    "SweepError": (USAGE, "usage error"),
    "ClusterError": (USAGE, "usage error"),
    "FileExistsError": (USAGE, "usage error"),
    "OSError": (FAILURE, "system error"),
}

#: Set to 1 to see the traceback of an unexpected error.
DEBUG = "OPTIMIZER_DEBUG"

app = typer.Typer(
    name="optimizer",
    help="Decide how much power to fund at each AI data-centre site, with local customers' rates kept flat.",
    epilog="Exit codes: 0 solved within the gap, 2 usage, 3 bad data, 4 infeasible, 5 time limit with a plan, "
    "6 time limit without, 7 failure, 8 a replay misses a limit, 130 interrupted.",
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
                message = str(error) or "stopped before it was done"
                return cls(code, status, message, getattr(error, "problems", ()))
        return cls(FAILURE, "unexpected error", _unexpected(error))

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        keys = ("file", "row", "column", "cell", "value", "rule", "fix")
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


def command(function: Callable[..., int | None]) -> Callable[..., None]:
    """Turn any error of a command into a message and an exit code."""

    @functools.wraps(function)
    def guarded(**options: Any) -> None:
        try:
            code = function(**options)
        except typer.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            code = report(Failure.of(error), as_json=bool(options.get("as_json")))
        if code:
            raise typer.Exit(code)

    return guarded


def write_whole(target: Path, write: Callable[[Path], object], other: str = "another -o") -> None:
    """Write a file whole or not at all."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=target.parent)
        os.close(handle)
        draft = Path(name)
        try:
            write(draft)
            draft.chmod(0o644)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        fix = f"{target} cannot be written: {error.strerror}; choose {other}"
        raise Failure(USAGE, "usage error", fix) from None


def refuse_unwritable(folder: Path | None, *, new: bool = False) -> None:
    """See that results can be saved in a folder, before an hour of solving; with ``new``, that nothing is there yet."""
    if folder is None:
        return
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        fix = f"{folder} cannot be written: {error.strerror}; choose another -o"
        raise Failure(USAGE, "usage error", fix) from None
    if new and folder.is_dir() and any(folder.iterdir()):
        raise Failure(USAGE, "usage error", f"{folder} is not empty: choose another -o")


def run_names(runs: Sequence[Path]) -> list[str]:
    """Names of run folders: the last part, or the whole path where that is not enough to tell them apart.

    Examples
    --------
    >>> run_names([Path("a/base"), Path("a/cheap gas")]), run_names([Path("a/run"), Path("b/run")])
    (['base', 'cheap gas'], ['a/run', 'b/run'])
    """
    names = [run.name for run in runs]
    if len(set(names)) == len(names):
        return names
    paths = [str(run) for run in runs]
    if len(set(paths)) < len(paths):
        raise Failure(USAGE, "usage error", "a run stands twice: name each once")
    return paths


def report(failure: Failure, *, as_json: bool) -> int:
    """Tell the user, on stderr or as JSON; the exit code."""
    if as_json:
        print_json(failure.as_dict())
    elif failure.problems:
        count = f"{len(failure.problems)} problems" if len(failure.problems) > 1 else "1 problem"
        message(f"{count} found:\n" + "\n".join(f"  {problem}" for problem in failure.problems))
    else:
        message(f"optimizer: {failure.message}")
    return failure.code


def _version(wanted: bool) -> None:
    if wanted:
        print_text(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass
