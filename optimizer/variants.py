"""Variants of an instance: named scenarios from a file, grids, Latin hypercube samples. All are lists of overrides."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optimizer.overrides import OverrideError, parse_override
from optimizer.problems import suggestion
from optimizer.tables import DECIMAL

#: Longest name of a variant: it is the name of a folder.
LONGEST = 120


@dataclass(frozen=True)
class Variant:
    """A name, what it changes, and its probability where one was given."""

    name: str
    overrides: tuple[str, ...]
    weight: float | None = None


class SweepError(ValueError):
    """Scenarios, grids or ranges that cannot be read; the message says what to write."""


# Scenarios


def read_scenarios(file: str | Path) -> list[Variant]:
    """Named scenarios: ``[scenarios.NAME]`` with ``set = [...]`` and, to build on others, ``extends = [...]``.

    What a scenario extends is applied first, in order, then its own ``set``. A ``weight`` is the probability of the
    scenario in a two-stage plan; a sweep does not look at it.

    Raises
    ------
    SweepError
        If the file cannot be read, has other keys, a name that is no name of a folder, or a scenario that extends one
        that is unknown or itself.
    """
    try:
        content = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SweepError(f"{file} cannot be read: {error}") from None
    scenarios = content.get("scenarios")
    if not isinstance(scenarios, dict) or not scenarios or set(content) != {"scenarios"}:
        raise SweepError(f'{file} must hold [scenarios.NAME] tables and nothing else, each with set = ["PATH=VALUE"]')
    for name, scenario in scenarios.items():
        rule = _rule(scenario)
        if rule:
            raise SweepError(f"{file}, scenario {name}: {rule}")
    found = [
        Variant(name, tuple(_composed(scenarios, name, (), str(file))), scenario.get("weight"))
        for name, scenario in scenarios.items()
    ]
    check_names(found)
    return found


def named_scenarios(file: str | Path, names: Sequence[str]) -> list[Variant]:
    """Scenarios of a file by name, in the order asked for; their overrides may be applied one after the other.

    Raises
    ------
    SweepError
        As `read_scenarios`, and if there is no name, one is not in the file or stands twice: with those that it has.
    """
    known = {scenario.name: scenario for scenario in read_scenarios(file)}
    wrong = [] if names else [f"{file} holds several: say which with --scenario"]
    wrong += [f"{file} has no scenario '{name}'" for name in names if name not in known]
    wrong += [f"scenario '{name}' is asked for twice" for name, count in Counter(names).items() if count > 1]
    if wrong:
        raise SweepError(f"{wrong[0]}. Known: {', '.join(known)}.")
    return [known[name] for name in names]


def _rule(scenario: Any) -> str:
    """What a scenario breaks; blank if nothing."""
    if not isinstance(scenario, dict) or not set(scenario) <= {"set", "extends", "weight"}:
        return "only set, extends and weight are known"
    weight = scenario.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= 1:
        return "weight is a probability above 0, up to 1"
    lists = [scenario.get("set", []), scenario.get("extends", [])]
    if not all(isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in lists):
        return 'set and extends are lists of texts: set = ["PATH=VALUE"]'
    return ""


def _composed(scenarios: Mapping[str, Any], name: str, above: tuple[str, ...], file: str) -> Iterator[str]:
    if name not in scenarios:
        hint = suggestion(name, scenarios)
        raise SweepError(f"{file}: scenario {above[-1]} extends {name}, which is not there. {hint}")
    if name in above:
        raise SweepError(f"{file}: scenario {name} extends itself")
    for other in scenarios[name].get("extends", []):
        yield from _composed(scenarios, other, (*above, name), file)
    yield from scenarios[name].get("set", [])


def check_names(variants: Sequence[Variant]) -> None:
    """See that every name can be that of a run folder, and that there are no two of one.

    Raises
    ------
    SweepError
        With the name and what is wrong with it.
    """
    for variant in variants:
        name = variant.name
        if not re.fullmatch(r"[^/\\\x00-\x1f]{1,200}", name) or name.startswith(".") or name.endswith((" ", ".csv")):
            fix = "it becomes a folder: up to 200 characters, no / or \\, no dot in front, not .csv behind"
            raise SweepError(f"'{name}' cannot be the name of a variant: {fix}")
    twice = [name for name, count in Counter(variant.name for variant in variants).items() if count > 1]
    if twice:
        raise SweepError(f"two variants have the same name, {twice[0]}: give each value and each name once")


def changes(overrides: Iterable[str]) -> dict[str, str]:
    """Overrides by what they change, path and operator; of two that change the same in one way, the last.

    >>> changes(["a.b*=2", "c = 3"])
    {'a.b*=': 'a.b*=2', 'c=': 'c=3'}
    """
    found = {}
    for text in overrides:
        with contextlib.suppress(SweepError):  # what cannot be read is told where it is applied
            target, value = split_axis(text)
            found[target] = f"{target}{value}"
    return found


# Grids and samples


def grid(axes: Sequence[str]) -> list[Variant]:
    """Every combination of values: axes like ``finance.discount_rate=0.04,0.06`` or ``PATH*=0.9,1.1``.

    A value that has commas itself is put in double quotes. Names are what is set, ``discount_rate=0.04``.

    Raises
    ------
    SweepError
        If an axis cannot be read.

    Examples
    --------
    >>> [variant.overrides for variant in grid(["a=1,2", "b*=3"])]
    [('a=1', 'b*=3'), ('a=2', 'b*=3')]
    >>> [variant.overrides for variant in grid(['planning_years="2028,2030","2028,2032"'])]
    [('planning_years=2028,2030',), ('planning_years=2028,2032',)]
    """
    read = [split_axis(axis) for axis in axes]
    _refuse_twice([target for target, _ in read])
    values = [[_unquoted(value) for value in re.findall(r'(?:^|,)((?:"[^"]*"|[^,"])*)', text)] for _, text in read]
    targets, labels = [target for target, _ in read], _labels([target for target, _ in read])
    return _told_apart(
        Variant(_name(labels, chosen), tuple(f"{target}{value}" for target, value in zip(targets, chosen, strict=True)))
        for chosen in itertools.product(*values)
    )


def latin_hypercube(ranges: Sequence[str], count: int, seed: int = 0) -> list[Variant]:
    """Latin hypercube sample from ranges like ``PATH*=0.8..1.2``.

    A range set with ``=`` between whole numbers, ``sites.Saline.first_year=2026..2030``, gives whole numbers, both ends
    included; write ``0.0..10.0`` for all numbers between.

    Raises
    ------
    SweepError
        If a range cannot be read.
    """
    from scipy.stats import qmc

    read = [_range(text) for text in ranges]
    _refuse_twice([one.target for one in read])
    points = qmc.LatinHypercube(len(read), rng=seed).random(count)
    sample = [tuple(one.at(share) for one, share in zip(read, point, strict=True)) for point in points.tolist()]
    digits = max(4, len(str(count - 1)))
    return [Variant(f"sample-{number:0{digits}d}", overrides) for number, overrides in enumerate(sample)]


def _refuse_twice(targets: Sequence[str]) -> None:
    """Of two that change the same figure in the same way, the last would win and the names tell otherwise."""
    twice = [target for target, count in Counter(targets).items() if count > 1]
    if twice:
        raise SweepError(f"{twice[0]} is given twice: put all of its values into one")


@dataclass(frozen=True)
class _Range:
    target: str
    low: float
    high: float
    whole: bool

    def at(self, share: float) -> str:
        """The override at a share of the way from the low end to the high one."""
        if self.whole:
            return f"{self.target}{int(self.low + share * (self.high - self.low + 1))}"
        return f"{self.target}{self.low + share * (self.high - self.low):.6g}"


def _range(text: str) -> _Range:
    target, values = split_axis(text)
    low, dots, high = (part.strip() for part in values.partition(".."))
    if not dots or not DECIMAL.fullmatch(low) or not DECIMAL.fullmatch(high):
        raise SweepError(f"{text}: a range reads PATH=LOW..HIGH, PATH*=LOW..HIGH or PATH+=LOW..HIGH, LOW < HIGH")
    if not float(low) < float(high):
        raise SweepError(f"{text}: LOW..HIGH needs LOW < HIGH: write {high}..{low}, or set the value with --set")
    set_to = target.endswith("=") and target[-2] not in "*+-"
    return _Range(target, float(low), float(high), set_to and low.isdecimal() and high.isdecimal())


def split_axis(text: str) -> tuple[str, str]:
    """Path with operator, and the text of the values, of an axis or a range.

    >>> split_axis('sites."a=b".existing_poi_mw *= 1,2')
    ('sites."a=b".existing_poi_mw*=', '1,2')
    """
    try:
        change = parse_override(text)
    except OverrideError as error:
        raise SweepError(f"{text}: {error.rule}. {error.fix}".replace("..", ".")) from None
    behind = text[text.index(change.path) + len(change.path) :].lstrip()
    return f"{change.path}{change.operator}", behind[len(change.operator) :].strip()


def _unquoted(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value


def _labels(targets: Sequence[str]) -> list[str]:
    """What names call a path: its last part where that is enough to tell the paths apart.

    >>> _labels(["technologies.ccgt.life_years=", "finance.discount_rate+="])
    ['life_years=', 'discount_rate+=']
    """
    last = [target.rsplit(".", 1)[-1] for target in targets]
    return last if len(set(last)) == len(last) else list(targets)


def _name(labels: Sequence[str], values: Sequence[str]) -> str:
    text = "_".join(f"{label}{value}" for label, value in zip(labels, values, strict=True))
    return re.sub(r"[^\w.=*+-]+", "-", text)


def _told_apart(variants: Iterable[Variant]) -> list[Variant]:
    """The variants, with a hash in names that are long or alike."""
    listed = list(variants)
    count = Counter(variant.name for variant in listed)
    return [
        variant if count[variant.name] == 1 and len(variant.name) <= LONGEST else _hashed(variant) for variant in listed
    ]


def _hashed(variant: Variant) -> Variant:
    """The variant with a name that is short and its own.

    >>> _hashed(Variant("a=1", ("a=1",))).name
    'a=1-c22fea5d74'
    """
    digest = hashlib.sha256("\n".join(variant.overrides).encode()).hexdigest()[:10]
    return replace(variant, name=f"{variant.name[: LONGEST - 11]}-{digest}")
