"""What could not be carried from one side to the other."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.problems import shown


@dataclass(frozen=True)
class Loss:
    """One figure without a counterpart.

    Parameters
    ----------
    component
        Table of the instance, or component of PyPSA.
    name
        Row or component; blank for all of them.
    attribute
        Column or attribute; blank for the row as a whole.
    value
        What stands there.
    why
        Why it is not carried, or what it became.

    Examples
    --------
    >>> print(Loss("Generator", "wind", "p_min_pu", "0.2", "no counterpart"))
    Generator wind, p_min_pu = 0.2: no counterpart
    """

    component: str
    name: str
    attribute: str
    value: str
    why: str

    @classmethod
    def of(cls, component: str, name: str, attribute: str, value: object, why: str) -> Loss:
        """Loss with the value as text."""
        return cls(component, shown(name), attribute, shown(value), why)

    def __str__(self) -> str:
        place = f"{self.component} {self.name}".strip()
        if self.attribute:
            place += f", {self.attribute}"
        return f"{place} = {self.value}: {self.why}" if self.value else f"{place}: {self.why}"
