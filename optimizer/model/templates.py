"""All rows of a template at once.

Pyomo keeps the rule of a constraint as one expression over index symbols, and its own compiler runs that expression
row by row. Here it is evaluated for all members of the index set together: a symbol is an array of labels, a
parameter an array of numbers, a variable an array of columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.base.set import IndexedSet
from pyomo.core.expr import numeric_expr as algebra
from pyomo.core.expr import template_expr as template
from scipy import sparse

from optimizer.model.form import Contradiction, Form
from optimizer.model.index import Codes, Index, Keys, Labels, RowNames
from optimizer.model.sparse import Alike

Number = np.ndarray | float


def is_template(model: pyo.ConcreteModel) -> bool:
    """Does the model keep its rows as templates."""
    components = model.component_objects((pyo.Constraint, pyo.Objective))
    return any(hasattr(_representative(component), "template_expr") for component in components if len(component))


def _representative(component: pyo.Constraint | pyo.Objective) -> Any:
    """A member: it has the template, if there is one."""
    found = component.representative() if isinstance(component, Alike) else None
    return found or next(iter(component.values()))


def expand(model: pyo.ConcreteModel) -> Form:
    """Compile a model that keeps its rows as templates.

    Raises
    ------
    Contradiction
        If a row cannot hold whatever the variables are.
    TypeError, KeyError
        If a rule has an expression that is not known here, or asks for a member that does not exist.
    """
    expander = Expander()
    costs, rows = (
        [expander.rows(component) for component in model.component_objects(kind) if len(component)]
        for kind in (pyo.Objective, pyo.Constraint)
    )
    rows = [_without_constants(block, expander.labels) for block in rows]
    cost_matrix, a = (_matrix(blocks, expander.columns) for blocks in (costs, rows))
    used = (np.diff(a.indptr) > 0) | (np.diff(cost_matrix.indptr) > 0)
    offset = _joined(block.constant for block in rows)
    return Form(
        a=a[:, used],
        row_lower=_joined(block.lower for block in rows) - offset,
        row_upper=_joined(block.upper for block in rows) - offset,
        row_names=RowNames([(block.name, Keys(block.columns, expander.labels)) for block in rows]),
        costs=cost_matrix[:, used],
        cost_offset=_joined(block.constant for block in costs),
        cost_names=RowNames([(block.name, Keys(block.columns, expander.labels)) for block in costs]),
        **_columns(expander, used),
    )


def _joined(arrays: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0), *arrays])


def _without_constants(block: Rows, labels: Labels) -> Rows:
    """The rows that have a variable; the others must hold as they are."""
    varies = np.zeros(block.size, bool)
    for members, _, _ in block.body.terms:
        varies[members] = True
    if varies.all():
        return block
    broken = ~varies & ((block.constant < block.lower) | (block.constant > block.upper))
    if broken.any():
        key = Keys(block.columns, labels)[int(np.argmax(broken))]
        raise Contradiction(f"'{block.name}[{','.join(map(str, key))}]' cannot hold: nothing in it can be decided")
    return block.only(varies)


def _matrix(blocks: Sequence[Rows], width: int) -> sparse.csc_array:
    """Rows of all blocks, one below the other."""
    first = np.cumsum([0, *(block.size for block in blocks)])
    terms = [(at + start, *rest) for block, start in zip(blocks, first, strict=False) for at, *rest in block.body.terms]
    row, column, value = (np.concatenate(part) for part in zip(*terms, strict=True)) if terms else ([], [], [])
    place = np.asarray(row, np.int32), np.asarray(column, np.int32)
    matrix = sparse.coo_array((np.asarray(value, float), place), (int(first[-1]), width)).tocsc()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def _columns(expander: Expander, used: np.ndarray) -> dict[str, Any]:
    """Bounds, kinds, positions and keys of the columns that are used."""
    number = np.cumsum(used) - 1
    names: dict[str, np.ndarray] = {}
    keys: dict[str, Keys] = {}
    lower, upper, integer = (np.zeros(expander.columns) for _ in range(3))
    for name, (variable, index, first) in expander.variables.items():
        here = slice(first, first + index.size)
        lower[here], upper[here], integer[here] = _kinds(variable, index, expander.labels)
        if used[here].any():
            names[name] = number[here][used[here]]
            keys[name] = Keys([column[used[here]] for column in index.columns()], expander.labels)
    bounds = {"lower": lower[used], "upper": upper[used], "integer": integer[used].astype(bool)}
    return bounds | {"names": names, "keys": keys}


@dataclass(frozen=True)
class Scope:
    """What index symbols stand for: an array of codes of shape (size,) by the symbol's id."""

    size: int
    symbols: dict[int, Codes]


@dataclass(frozen=True)
class Linear:
    """constant + sum of coefficient * column in each of the members of a scope.

    ``terms`` are triples of arrays: member, column, coefficient.
    """

    constant: Number
    terms: list[tuple[np.ndarray, np.ndarray, np.ndarray]]

    def __add__(self, other: Linear) -> Linear:
        return Linear(self.constant + other.constant, self.terms + other.terms)

    def times(self, factor: Number) -> Linear:
        """This times a number of each member."""
        scaled = [(at, column, value * _of_members(factor, at)) for at, column, value in self.terms]
        return Linear(self.constant * factor, scaled)


def _of_members(factor: Number, members: np.ndarray) -> Number:
    return factor[members] if isinstance(factor, np.ndarray) else factor


@dataclass(frozen=True)
class Rows:
    """The rows of one constraint or cost term: lower <= body <= upper for each member of its index set.

    ``columns`` are the codes of the members, position by position.
    """

    name: str
    columns: list[Codes]
    body: Linear
    lower: np.ndarray
    upper: np.ndarray

    @property
    def size(self) -> int:
        return len(self.lower)

    @property
    def constant(self) -> np.ndarray:
        return np.broadcast_to(np.asarray(self.body.constant, float), (self.size,))

    def only(self, chosen: np.ndarray) -> Rows:
        """Some of the rows, as a mask; those left out have no terms."""
        number = np.cumsum(chosen) - 1
        terms = [(number[at], column, value) for at, column, value in self.body.terms]
        columns = [column[chosen] for column in self.columns]
        body = Linear(self.constant[chosen], terms)
        return Rows(self.name, columns, body, self.lower[chosen], self.upper[chosen])


def _kinds(variable: pyo.Var, index: Index, labels: Labels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower and upper bounds of a variable's members, and whether each is whole."""
    steps = 1
    if getattr(variable, "is_hourly", False) and index.size:  # the same in all steps: the last part of the index
        steps = index.parts[-1].size
        members = [variable[key] for key in Keys([column[::steps] for column in index.columns()], labels)]
    else:
        members = list(variable.values())
    lower = [-np.inf if member.lb is None else member.lb for member in members]
    upper = [np.inf if member.ub is None else member.ub for member in members]
    whole = [member.is_integer() or member.is_binary() for member in members]
    return np.repeat(lower, steps), np.repeat(upper, steps), np.repeat(whole, steps)


class Expander:
    """Expands the templates of one model; numbers columns in the order in which variables are met."""

    def __init__(self) -> None:
        self.labels = Labels()
        self.columns = 0
        self.variables: dict[str, tuple[pyo.Var, Index, int]] = {}
        self._indices: dict[int, Index] = {}
        self._numbers: dict[str, np.ndarray] = {}
        self._codes: dict[str, Codes] = {}
        self._families: dict[str, tuple[np.ndarray, np.ndarray, list[Codes]]] = {}
        self._rules: dict[type, Callable[[Any, Scope], Linear]] = {
            algebra.SumExpression: self._sum,
            algebra.NPV_SumExpression: self._sum,
            algebra.LinearExpression: self._sum,
            algebra.ProductExpression: self._product,
            algebra.MonomialTermExpression: self._product,
            algebra.NPV_ProductExpression: self._product,
            algebra.DivisionExpression: self._quotient,
            algebra.NPV_DivisionExpression: self._quotient,
            algebra.NegationExpression: self._negative,
            algebra.NPV_NegationExpression: self._negative,
            template.TemplateSumExpression: self._sum_over,
            template.Numeric_GetItemExpression: self._member,
            template.NPV_Numeric_GetItemExpression: self._member,
        }

    def rows(self, component: pyo.Constraint | pyo.Objective) -> Rows:
        """All rows of a component that is kept as a template."""
        first = _representative(component)
        if not hasattr(first, "template_expr"):
            raise TypeError(f"'{component.name}' is built row by row, where others are templates")
        expression, symbols = first.template_expr()
        lower, body, upper = None, expression, None
        if component.ctype is pyo.Constraint:
            lower, body, upper = first.to_bounded_expression()
        columns = self._index(component.index_set()).columns()
        scope = Scope(len(columns[0]), dict(zip(map(id, symbols), columns, strict=True)))
        found = self._value(body, scope)
        sides = [self._side(side, scope, otherwise) for side, otherwise in ((lower, -np.inf), (upper, np.inf))]
        return Rows(component.name, columns, found, *sides)

    def _side(self, node: Any, scope: Scope, otherwise: float) -> np.ndarray:
        value = otherwise if node is None else self._value(node, scope).constant
        return np.broadcast_to(np.asarray(value, float), (scope.size,))

    # -- expressions --------------------------------------------------------------------------------------
    def _value(self, node: Any, scope: Scope) -> Linear:
        if isinstance(node, (int, float)):
            return Linear(float(node), [])
        rule = self._rules.get(type(node))
        if rule is None:
            raise TypeError(f"{type(node).__name__} in a rule: templates.py does not know how to expand it")
        return rule(node, scope)

    def _sum(self, node: Any, scope: Scope) -> Linear:
        first, *others = (self._value(part, scope) for part in node.args)
        for other in others:
            first = first + other
        return first

    def _product(self, node: Any, scope: Scope) -> Linear:
        left, right = (self._value(part, scope) for part in node.args)
        if left.terms and right.terms:
            raise TypeError(f"a product of variables in a rule: {node}")
        return right.times(left.constant) if right.terms else left.times(right.constant)

    def _quotient(self, node: Any, scope: Scope) -> Linear:
        above, below = (self._value(part, scope) for part in node.args)
        if below.terms:
            raise TypeError(f"a variable below the line in a rule: {node}")
        return above.times(1 / below.constant) if above.terms else Linear(above.constant / below.constant, [])

    def _negative(self, node: Any, scope: Scope) -> Linear:
        return self._value(node.args[0], scope).times(-1.0)

    def _sum_over(self, node: Any, scope: Scope) -> Linear:
        """Sum over one set or several, each of which may depend on the symbols before it."""
        inner, owner = scope, np.arange(scope.size)
        body, *sets = node.template_args()
        for symbols, members in zip(node.template_iters(), sets, strict=True):
            parent, columns = self._members_of(members, len(symbols), inner)
            known = {symbol: codes[parent] for symbol, codes in inner.symbols.items()}
            inner = Scope(len(parent), known | dict(zip(map(id, symbols), columns, strict=True)))
            owner = owner[parent]
        found = self._value(body, inner)
        each = np.broadcast_to(np.asarray(found.constant, float), (inner.size,))
        constant = np.bincount(owner, each, scope.size) if np.any(each) else 0.0
        return Linear(constant, [(owner[at], column, value) for at, column, value in found.terms])

    def _members_of(self, members: Any, width: int, scope: Scope) -> tuple[np.ndarray, list[Codes]]:
        """Members of a set for each member of a scope: whose they are, and their codes."""
        if not members.is_expression_type():
            index = self._index(members)
            parent = np.repeat(np.arange(scope.size), index.size)
            return parent, [np.tile(column, scope.size) for column in index.columns()]
        family, *arguments = members.args
        starts, counts, columns = self._family(family, width)
        at = self._found(family, self._index(family.index_set()), arguments, scope)
        parent = np.repeat(np.arange(scope.size), counts[at])
        offset = np.arange(len(parent)) - np.repeat(np.cumsum(counts[at]) - counts[at], counts[at])
        return parent, [column[starts[at][parent] + offset] for column in columns]

    def _member(self, node: Any, scope: Scope) -> Linear:
        component, *arguments = node.args
        if component.ctype is not pyo.Var:
            at = self._found(component, self._index(component.index_set()), arguments, scope)
            return Linear(self._parameter(component)[at], [])
        index, first = self._variable(component)
        at = self._found(component, index, arguments, scope)
        return Linear(0.0, [(np.arange(scope.size), (first + at).astype(np.int32), np.ones(scope.size))])

    # -- look-up ------------------------------------------------------------------------------------------
    def _found(self, component: Any, index: Index, arguments: Sequence[Any], scope: Scope) -> np.ndarray:
        if not scope.size:
            return np.zeros(0, int)
        at = index.positions([self._label(argument, scope) for argument in arguments])
        if at.min() < 0:
            raise KeyError(f"{component.name} has no member for every index that a rule asks for")
        return at

    def _label(self, node: Any, scope: Scope) -> Codes:
        """Codes of an index: a symbol, a constant, or the value of a parameter."""
        if isinstance(node, template.IndexTemplate):
            return scope.symbols[id(node)]
        if isinstance(node, template.GetItemExpression):
            component, *arguments = node.args
            at = self._found(component, self._index(component.index_set()), arguments, scope)
            codes: Codes = self._parameter_codes(component)[at]
            return codes
        return np.repeat(self.labels.code([node]), scope.size)

    def _index(self, members: Any) -> Index:
        if id(members) not in self._indices:
            self._indices[id(members)] = Index.of(members, self.labels)
        return self._indices[id(members)]

    def _variable(self, component: pyo.Var) -> tuple[Index, int]:
        if component.name not in self.variables:
            index = self._index(component.index_set())
            self.variables[component.name] = component, index, self.columns
            self.columns += index.size
        return self.variables[component.name][1:]

    def _parameter(self, component: pyo.Param) -> np.ndarray:
        if component.name not in self._numbers:
            self._numbers[component.name] = self._figures(component)
        return self._numbers[component.name]

    def _figures(self, component: pyo.Param) -> np.ndarray:
        """Value of every member of a parameter; not a number where it has none."""
        index = self._index(component.index_set())
        numbers = np.full(index.size, np.nan)
        arrays = getattr(component, "series", None)
        if arrays is None:
            at, values = self._given(component)
            numbers[at] = np.fromiter(values, float, len(values))
        elif arrays:
            before = Index(index.parts[:-1])
            at = before.positions(self.labels.columns(list(arrays), before.width))
            numbers.reshape(before.size, -1)[at] = list(arrays.values())
        return numbers

    def _parameter_codes(self, component: pyo.Param) -> Codes:
        if component.name not in self._codes:
            at, values = self._given(component)
            codes = np.full(self._index(component.index_set()).size, -1, np.int32)
            codes[at] = self.labels.code(values)
            self._codes[component.name] = codes
        return self._codes[component.name]

    def _given(self, component: pyo.Param) -> tuple[np.ndarray, list[Any]]:
        """Positions and values of the members that a parameter has."""
        index, values = self._index(component.index_set()), dict(component.sparse_items())
        return index.positions(self.labels.columns(list(values), index.width)), list(values.values())

    def _family(self, family: IndexedSet, width: int) -> tuple[np.ndarray, np.ndarray, list[Codes]]:
        """The sets of an indexed set end to end: where each starts, its size, and the codes of all."""
        if family.name not in self._families:
            index = self._index(family.index_set())
            keys = list(family.keys())
            at = index.positions(self.labels.columns(keys, index.width))
            sets = [list(family[key]) for key in keys]
            counts = np.zeros(index.size, np.int64)
            counts[at] = [len(members) for members in sets]
            order = [sets[i] for i in np.argsort(at)]
            columns = self.labels.columns([m for members in order for m in members], width)
            self._families[family.name] = np.cumsum(counts) - counts, counts, columns
        return self._families[family.name]
