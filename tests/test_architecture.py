"""Data flows one way: what each module may import, read from the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "optimizer"

#: Every module; a module imports only modules before it. ``model`` stands for all modules of that folder.
ORDER = (
    "schema",
    "problems",
    "tables",
    "hourly",
    "consistency",
    "workbook_in",
    "instance",
    "networks",
    "cluster",
    "overrides",
    "schema_docs",
    "formulation_docs",
    "xlsx",
    "template",
    "periods",
    "finance",
    "returns",
    "plan",
    "check",
    "model",
    "highs",
    "start",
    "benders",
    "results",
    "accounts",
    "solve",
    "pledge",
    "decisions",
    "explain",
    "synthetic",
    "pypsa_io",
    "compare",
    "variants",
    "sweep",
    "whatif",
    "uncertainty",
    "show",
    "replay",
    "report",
    "cli",
    "__main__",
)
#: Modules of ``model`` that concerns share, in order.
SHARED = ("data", "sparse", "piecewise", "index", "form", "templates", "row_by_row", "matrix", "solution")
MAY_USE_PYOMO = ("model", "results")


def modules() -> list[str]:
    """Dotted names under the package, ``model.rates``; the package itself left out."""
    paths = [path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py"))]
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return [name for name in names if name != "__init__"]


def imports(module: str) -> set[str]:
    """Dotted names a module imports, wherever in the file; for ``from a import b`` both a and a.b."""
    path = PACKAGE.joinpath(*module.split("."))
    source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} uses a relative import"
            found.add(str(node.module))
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def own_imports(module: str) -> set[str]:
    """Modules of the package that a module imports, without the leading ``optimizer.``."""
    known = set(modules())
    return {name.removeprefix("optimizer.") for name in imports(module)} & known


def part(module: str) -> str:
    return module.split(".")[0]


def concerns() -> list[str]:
    """Names in ``model.build.CONCERNS``, in order."""
    for node in ast.parse((PACKAGE / "model" / "build.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "CONCERNS":
            assert isinstance(node.value, ast.Tuple)
            return [name.id for name in node.value.elts if isinstance(name, ast.Name)]
    raise AssertionError("model/build.py has no CONCERNS")


@pytest.mark.parametrize("module", modules())
def test_imports_only_what_stands_above(module: str) -> None:
    assert part(module) in ORDER, f"say in ORDER where {module} stands"
    above = ORDER[: ORDER.index(part(module))]
    below = {name for name in own_imports(module) if part(name) not in above and part(name) != part(module)}
    assert not below, f"{module} imports {sorted(below)}, which do not stand above it"


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("model.")])
def test_concerns_do_not_import_each_other(module: str) -> None:
    name = module.removeprefix("model.")
    inside = {found.removeprefix("model.") for found in own_imports(module) if found.startswith("model.")}
    if name == "build":
        return
    if name in SHARED:
        assert inside <= set(SHARED[: SHARED.index(name)])
    else:
        assert name in concerns(), f"model/{name}.py is neither a concern of build.py nor shared"
        assert inside <= set(SHARED), (
            f"{module} imports {sorted(inside - set(SHARED))}: move what they share to data.py"
        )


@pytest.mark.parametrize("module", modules())
def test_pyomo_stays_in_the_model(module: str) -> None:
    if part(module) not in MAY_USE_PYOMO:
        assert not {name for name in imports(module) if name.split(".")[0] == "pyomo"}


def test_checker_stands_apart_from_the_model() -> None:
    seen: set[str] = set()
    ahead = {"check"}
    while ahead:
        seen |= ahead
        ahead = {name for module in ahead for name in own_imports(module)} - seen
    assert not {name for name in seen if part(name) in ("model", "highs", "results", "accounts", "solve")}


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, optimizer, optimizer.cli\n"
        "try:\n"
        "    optimizer.cli.app(['solve', '--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = ast.literal_eval(run.stderr.strip().splitlines()[-1])
    assert "typer" in loaded
    assert not set(loaded) & {"pyomo", "pandas", "numpy", "scipy", "highspy"}


def test_functions_are_not_hidden_by_modules_of_the_same_name() -> None:
    code = (
        "import optimizer.solve, optimizer.check, optimizer.instance\n"
        "from optimizer import check, solve\n"
        "assert callable(check) and callable(solve) and optimizer.solve is solve\n"
        "assert optimizer.instance.read_instance is optimizer.read_instance\n"
        "assert set(optimizer.__all__) <= set(dir(optimizer))\n"
        "assert all(getattr(optimizer, name) is not None for name in optimizer.__all__)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_unknown_names_are_refused() -> None:
    import optimizer

    with pytest.raises(AttributeError, match="no attribute 'solv'"):
        _ = optimizer.solv
