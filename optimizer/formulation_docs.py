"""The formulation as a Markdown page: what every concern of the model says of itself, and its constraints by name.

Read from the source without building a model, so that the page says what the code says.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

MODEL = Path(__file__).parent / "model"
INTRODUCTION = """\
# The model

Written from the code by `make docs`; do not edit. The concerns stand in the order in which they are added to the
model. The objective is the sum of all named costs: yearly ones are discounted, capital ones are present values already.
"""


def formulation_markdown() -> str:
    """The page: for each concern its docstring (symbols and equations), then its constraints and costs."""
    return "\n".join([INTRODUCTION, *(_section(name) for name in concerns())])


def concerns() -> list[str]:
    """Names of the model's concerns, in the order of ``model.build.CONCERNS``."""
    for node in ast.parse((MODEL / "build.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "CONCERNS":
            assert isinstance(node.value, ast.Tuple)
            return [name.id for name in node.value.elts if isinstance(name, ast.Name)]
    raise LookupError("model/build.py has no CONCERNS")


def _section(name: str) -> str:
    tree = ast.parse((MODEL / f"{name}.py").read_text(encoding="utf-8"))
    title, _, rest = (ast.get_docstring(tree) or name).partition("\n")
    heading = title.split(":")[0].strip().rstrip(".")
    lines = [f"## {heading}", "", f"`optimizer/model/{name}.py`: {title.strip()}", ""]
    if rest.strip():
        lines += ["```text", rest.strip("\n"), "```", ""]
    rows = list(_components(tree))
    if rows:
        lines += ["| name | is | in words |", "|---|---|---|"]
        lines += [f"| `{component}` | {kind} | {_cell(words)} |" for component, kind, words in rows]
        lines.append("")
    return "\n".join(lines)


def _components(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Variables, constraints and costs that a module adds to the model: name, kind, ``doc``."""
    kinds = {"Var": "variable", "hourly": "variable", "constrain": "constraint", "cost_term": "cost"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            target, function = node.targets[0], node.value.func
            kind = kinds.get(getattr(function, "attr", getattr(function, "id", "")))
            if kind and isinstance(target, ast.Attribute):
                yield target.attr, kind, _words(node.value) or target.attr.replace("_", " ")


def _words(call: ast.Call) -> str:
    return next((str(ast.literal_eval(k.value)) for k in call.keywords if k.arg == "doc"), "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
