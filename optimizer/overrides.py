"""Named changes to an instance: ``PATH=VALUE``, ``PATH*=FACTOR``, ``PATH+=AMOUNT``, ``PATH-=AMOUNT``.

A path names one figure:

* an entry of the manifest: ``finance.discount_rate``, ``resolutions.coarse.step_hours``;
* a cell of a table, by the row's key in the order of the schema, then the column:
  ``technologies.ccgt.capex_usd_per_kw``, ``site_years.Saline[2028].ceiling_mw``;
* an hourly series, every hour of it: ``series.price``.

``*`` in place of a part of the key stands for all; as the last one given it stands for the rest of the key. Keys with
dots, brackets or operators are put in double quotes. A blank value sets the default. Whole numbers stay whole. Changes
are made in order; the result is validated in full.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel

from optimizer.consistency import Origin, Origins
from optimizer.instance import Instance, make_instance, placed
from optimizer.problems import InstanceError, Problem, shown, suggestion
from optimizer.schema import HOURLY_FILE, MANIFEST_FILE, TABLES, Manifest, Table
from optimizer.tables import DECIMAL, WHOLE, column_types, meaning, typed

Operator = Literal["=", "*=", "+=", "-="]
OPERATORS: tuple[Operator, ...] = ("*=", "+=", "-=", "=")


@dataclass(frozen=True)
class Part:
    """One part of a path; a quoted ``*`` is a name, not "all"."""

    text: str
    quoted: bool = False

    @property
    def all(self) -> bool:
        """Does it stand for every name?"""
        return self.text == "*" and not self.quoted


@dataclass(frozen=True)
class Override:
    """One parsed change.

    Attributes
    ----------
    label
        What messages call it: ``--set 2``.
    path, parts
        The path as written, and its parts.
    operator, value
        What to do, and the text to do it with.
    """

    label: str
    path: str
    parts: tuple[Part, ...]
    operator: Operator
    value: str

    def problem(self, rule: str, fix: str = "") -> Problem:
        """Problem with this override."""
        text = self.value if self.operator == "=" else f"({self.operator}) {self.value}"
        return Problem(self.label, None, self.path, shown(text), rule, fix)


class OverrideError(ValueError):
    """What is wrong with an override (rule, fix)."""

    def __init__(self, rule: str, fix: str = "") -> None:
        super().__init__(rule, fix)
        self.rule, self.fix = rule, fix


def apply_overrides(instance: Instance, overrides: Iterable[str], labels: Sequence[str] | None = None) -> Instance:
    """Change figures of an instance and validate the result.

    Parameters
    ----------
    instance
        The case to change; it stays as it is.
    overrides
        ``PATH=VALUE``, ``PATH*=FACTOR``, ``PATH+=AMOUNT`` or ``PATH-=AMOUNT``, applied in order.
    labels
        What messages call each of them; if left out, ``--set N``, counted from 1.

    Raises
    ------
    InstanceError
        With every problem; ``file`` is the label of the override.
    """
    problems: list[Problem] = []
    parsed: list[Override] = []
    draft = _Draft(instance)
    texts = list(overrides)
    names = [f"--set {position}" for position in range(1, len(texts) + 1)] if labels is None else labels
    for label, text in zip(names, texts, strict=True):
        try:
            parsed.append(parse_override(text, label))
        except OverrideError as error:
            problems.append(Problem(label, None, None, None, f"'{shown(text)}' {error.rule}", error.fix))
            continue
        try:
            draft.apply(parsed[-1])
        except OverrideError as error:
            problems.append(parsed[-1].problem(error.rule, error.fix))
    if problems:
        raise InstanceError(problems)
    try:
        return draft.finish()
    except InstanceError as error:
        raise InstanceError(_at_overrides(placed(instance, error.problems), parsed)) from None


def refusal(instance: Instance, text: str, label: str = "--set") -> Problem | None:
    """Why an override cannot be made; None if it can. What it does to the rest of the instance is not looked at."""
    try:
        parsed = parse_override(text, label)
    except OverrideError as error:
        return Problem(label, None, None, None, f"'{shown(text)}' {error.rule}", error.fix)
    try:
        _Draft(instance).apply(parsed)
    except OverrideError as error:
        return parsed.problem(error.rule, error.fix)
    return None


def parse_override(text: str, label: str = "--set") -> Override:
    """Split an override into path, operator and value.

    Raises
    ------
    OverrideError
        When it has no operator or its path is not well formed.

    Examples
    --------
    >>> change = parse_override('site_years.Saline[2028].ceiling_mw*=1.5')
    >>> [part.text for part in change.parts], change.operator, change.value
    (['site_years', 'Saline', '2028', 'ceiling_mw'], '*=', '1.5')
    """
    parts: list[Part] = []
    position = 0
    while True:
        part, position = _next_part(text, position)
        parts.append(part)
        operator = next((sign for sign in OPERATORS if text.startswith(sign, position)), None)
        if operator is not None:
            break
        if position >= len(text):
            raise OverrideError("has no operator", "Write PATH=VALUE, PATH*=FACTOR, PATH+=AMOUNT or PATH-=AMOUNT.")
        if text[position] == ".":
            position += 1
        elif text[position] != "[":
            fix = "Operators are =, *=, += and -=; put keys with dots, brackets or operators in double quotes."
            raise OverrideError(f"cannot be read at '{shown(text[position:])}'", fix)
    path = text[:position].strip()
    value = text[position + len(operator) :].strip()
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return Override(label, path, tuple(parts), operator, value)


def _next_part(text: str, position: int) -> tuple[Part, int]:
    """The part that begins at a position, and the position behind it."""
    if text.startswith("[", position):
        part, position = _next_part(text, position + 1)
        if not text.startswith("]", position):
            raise OverrideError("has a [ without ]", "Write years as [2030].")
        return part, position + 1
    if text.startswith('"', position):
        end = text.find('"', position + 1)
        if end < 0:
            raise OverrideError("has an unclosed quote", "Close the double quotes.")
        return Part(text[position + 1 : end], quoted=True), end + 1
    if text.startswith("*", position) and text[position + 1 : position + 2] in {".", "]", "["}:
        return Part("*"), position + 1
    end = position
    while end < len(text) and text[end] not in '.[]"=' and not text.startswith(OPERATORS, end):
        end += 1
    name = text[position:end].rstrip("+-*/ " if text[end : end + 1] == "=" else " ").strip()
    if not name:
        fix = "Write names separated by dots, those with dots, brackets or operators in double quotes."
        raise OverrideError("has an empty part in its path", fix)
    if text[end : end + 1] == "=" and text[position:end].rstrip()[-1:] in "+-*/":
        sign = text[position:end].rstrip()[-1]
        raise OverrideError(f"has the operator {sign}=", "Operators are =, *=, += and -=; to divide, multiply by 1/x.")
    return Part(name), end


class _Draft:
    """An instance being changed: plain values, and where changed ones come from."""

    def __init__(self, instance: Instance) -> None:
        self.manifest: dict[str, Any] = instance.manifest.model_dump()
        self.instance = instance
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.series: dict[str, np.ndarray] = {}
        self.origins = Origins()

    def apply(self, override: Override) -> None:
        """Make one change."""
        name = override.parts[0].text
        if name == "series" and len(override.parts) == 2:
            self._apply_series(override)
        elif name in TABLES:
            self._apply_table(override, TABLES[name])
        elif name in Manifest.model_fields:
            self._apply_manifest(override)
        else:
            known = [*TABLES, *Manifest.model_fields]
            raise OverrideError(
                f"begins with '{shown(name)}', which is no table and no entry of {MANIFEST_FILE}",
                suggestion(name, known),
            )

    def finish(self) -> Instance:
        """The changed instance, validated."""
        tables: dict[str, Any] = {name: self.tables.get(name, self.instance.rows(name)) for name in TABLES}
        hourly = self.instance.hourly
        if self.series:
            hourly = pd.DataFrame({name: self.series.get(name, hourly[name].to_numpy()) for name in hourly.columns})
        return make_instance(_without_none(self.manifest), tables, hourly, origins=self.origins)

    def _apply_table(self, override: Override, table: Table) -> None:
        keys, column = override.parts[1:-1], override.parts[-1].text
        form = f"{table.name}.{'.'.join(f'<{key}>' for key in table.key)}.<column>"
        if keys and keys[-1].all:
            keys += (keys[-1],) * (len(table.key) - len(keys))
        if len(override.parts) < 2 or len(keys) != len(table.key):
            raise OverrideError(
                f"must have the form {form}",
                "Use * for all; a last * stands for the rest of the key. Quote keys with dots.",
            )
        if column not in table.row.model_fields:
            raise OverrideError(
                f"'{shown(column)}' is not a column of {table.file}", suggestion(column, table.columns())
            )
        if column in table.key:
            raise OverrideError(f"{column} is a key of {table.file} and cannot be changed", "Edit the files to rename.")
        rows = self.tables.setdefault(table.name, [row.model_dump() for row in self.instance.rows(table.name)])
        chosen = _chosen(rows, table, keys)
        several = any(part.all for part in keys)
        values = _new_values(table.row, column, [row[column] for _, row in chosen], override, several)
        for (position, row), value in zip(chosen, values, strict=True):
            if value is _UNCHANGED:
                continue
            origin = _origin(override, row[column])
            self.origins[table.file, position, column] = origin
            row[column] = value

    def _apply_manifest(self, override: Override) -> None:
        targets = list(_entries(Manifest, self.manifest, override.parts, ""))
        for model, section, column, path in targets:
            old = section.get(column)
            value = _new_values(model, column, [old], override, len(targets) > 1)[0]
            if value is not _UNCHANGED:
                self.origins[MANIFEST_FILE, None, path] = _origin(override, old)
                section[column] = value

    def _apply_series(self, override: Override) -> None:
        names = [str(name) for name in self.instance.hourly.columns]
        part = override.parts[1]
        if not part.all and part.text not in names:
            raise OverrideError(f"there is no series '{shown(part.text)}'", suggestion(part.text, names))
        if not DECIMAL.fullmatch(override.value):
            raise OverrideError("must be a finite number", "Write a number.")
        amount = float(override.value)
        for name in names if part.all else [part.text]:
            old = self.series.get(name, self.instance.hourly[name].to_numpy())
            with np.errstate(all="ignore"):
                new = np.full(len(old), amount) if override.operator == "=" else _changed(old, override, amount)
            self.series[name] = new
            text = override.value if override.operator == "=" else f"{name} {override.operator[0]} {override.value}"
            self.origins[HOURLY_FILE, None, name] = Origin(override.label, override.path, shown(text))


class _Mark:
    """A value that is no value."""


#: Stays as it is.
_UNCHANGED = _Mark()


def _chosen(rows: list[dict[str, Any]], table: Table, keys: tuple[Part, ...]) -> list[tuple[int, dict[str, Any]]]:
    """Rows whose key fits; an error names the first part that fits none."""
    chosen = list(enumerate(rows))
    for column, part in zip(table.key, keys, strict=True):
        known = sorted({_key_text(row[column]) for _, row in chosen})
        if not part.all:
            chosen = [(position, row) for position, row in chosen if _fits(row[column], part.text)]
        if not chosen:
            raise OverrideError(
                f"{table.file} has no such row: {column} '{shown(part.text)}'", suggestion(part.text, known)
            )
    return chosen


def _fits(value: object, text: str) -> bool:
    if isinstance(value, float) and DECIMAL.fullmatch(text):
        return value == float(text)
    return _key_text(value) == text


def _key_text(value: object) -> str:
    return "" if value is None else shown(value) if isinstance(value, float) else str(value)


def _entries(
    model: type[BaseModel], section: dict[str, Any], parts: tuple[Part, ...], before: str
) -> Iterator[tuple[type[BaseModel], dict[str, Any], str, str]]:
    """Entries of the manifest that a path names: (class, section, entry, dotted path)."""
    name = parts[0].text
    if name not in model.model_fields:
        raise OverrideError(
            f"'{shown(name)}' is not an entry of {before or MANIFEST_FILE}", suggestion(name, model.model_fields)
        )
    path = f"{before}.{name}" if before else name
    inner, by_name = _section_of(model, name)
    if inner is None:
        if len(parts) > 1:
            raise OverrideError(f"{path} has no parts", f"Write {path}=VALUE.")
        yield model, section, name, path
        return
    rest = parts[1:]
    sections = [(section[name], path)]
    if by_name and rest:
        sections = list(_named_sections(section[name], rest[0], path))
        rest = rest[1:]
    if not rest:
        raise OverrideError("names a section, not an entry", f"Entries: {', '.join(inner.model_fields)}.")
    for content, content_path in sections:
        yield from _entries(inner, content, rest, content_path)


def _named_sections(sections: dict[str, dict[str, Any]], part: Part, path: str) -> Iterator[tuple[dict[str, Any], str]]:
    if not part.all and part.text not in sections:
        raise OverrideError(f"{path} has no '{shown(part.text)}'", suggestion(part.text, sections))
    for name in sections if part.all else [part.text]:
        yield sections[name], f'{path}."{name}"' if "." in name else f"{path}.{name}"


def _section_of(model: type[BaseModel], name: str) -> tuple[type[BaseModel] | None, bool]:
    """Class of a section, and whether there are several of it by name."""
    annotation = model.model_fields[name].annotation
    if typing.get_origin(annotation) is dict:
        return typing.get_args(annotation)[1], True
    if (
        isinstance(annotation, type)
        and not isinstance(annotation, types.GenericAlias)
        and issubclass(annotation, BaseModel)
    ):
        return annotation, False
    return None, False


def _new_values(model: type[BaseModel], column: str, old: list[Any], override: Override, several: bool) -> list[Any]:
    """New value of each cell."""
    if override.operator == "=":
        return [_set_value(model, column, override.value)] * len(old)
    if several and any(value is not None for value in old):
        return [_UNCHANGED if value is None else _computed(model, column, value, override) for value in old]
    return [_computed(model, column, value, override) for value in old]


def _set_value(model: type[BaseModel], column: str, text: str) -> Any:
    info = model.model_fields[column]
    if not text:
        if info.is_required():
            raise OverrideError("must be filled: it has no default", meaning(model, column))
        return info.get_default(call_default_factory=True)
    if _is_years(model, column):
        years = [year.strip() for year in text.strip("[]()").split(",")]
        if not all(WHOLE.fullmatch(year) for year in years):
            raise OverrideError("must be years separated by commas", "Write 2028,2030.")
        return [int(year) for year in years]
    try:
        return typed(model, column, text)
    except ValueError as error:
        raise OverrideError(*error.args) from None


def _computed(model: type[BaseModel], column: str, old: Any, override: Override) -> Any:
    """Old value times or plus the number of the override."""
    wanted = column_types(model)[column]
    if wanted.kind not in {"number", "whole number"} or wanted.choices or _is_years(model, column):
        raise OverrideError(f"{override.operator} is for numbers; {column} is not one", "Use =.")
    if old is None:
        raise OverrideError(f"{column} is blank: there is no number to change", "Use =.")
    if not DECIMAL.fullmatch(override.value):
        raise OverrideError("must be a finite number", f"Write a number behind {override.operator}")
    amount = float(override.value)
    new = _changed(old, override, amount)
    if wanted.kind == "number":
        return new
    if not np.isfinite(new) or new != int(new):
        raise OverrideError(f"must give a whole number, gives {shown(new)}", meaning(model, column))
    return int(new)


def _changed(old: Any, override: Override, amount: float) -> Any:
    """A figure or series times, plus or less an amount."""
    if override.operator == "*=":
        return old * amount
    return old - amount if override.operator == "-=" else old + amount


def _is_years(model: type[BaseModel], column: str) -> bool:
    annotation = model.model_fields[column].annotation
    members = (annotation, *typing.get_args(annotation))
    return any(typing.get_origin(member) is tuple for member in members)


def _origin(override: Override, old: Any) -> Origin:
    text = override.value if override.operator == "=" else f"{shown(old)} {override.operator[0]} {override.value}"
    return Origin(override.label, override.path, shown(text))


def _without_none(section: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_none(value) if isinstance(value, dict) else value
        for name, value in section.items()
        if value is not None
    }


def _at_overrides(problems: Iterable[Problem], overrides: list[Override]) -> Iterator[Problem]:
    """Name the override behind problems that show elsewhere: the instance was valid before."""
    labels = [override.label for override in overrides]
    for problem in problems:
        if problem.file in labels:
            yield problem
        elif len(overrides) == 1:
            yield overrides[0].problem(f"does not fit the instance any more: {problem}")
        else:
            last = labels[-1].removeprefix("--set ") if labels[0].startswith("--set ") else labels[-1]
            together = f"{labels[0]} to {last}"
            yield Problem(together, None, None, None, f"together do not fit the instance: {problem}")
