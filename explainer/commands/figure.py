"""A measured figure and its limit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A measured figure and its bar, or None: an upper limit, or a lower one."""

    name: str
    value: float
    unit: str
    bar: float | None
    at_least: bool = False

    def row(self) -> str:
        """Return a line of the table."""
        row = f"| {self.name} | {self.value:.2f} {self.unit} |"
        if self.bar is None:
            return f"{row} | |"
        met = self.value >= self.bar if self.at_least else self.value <= self.bar
        sign = ">=" if self.at_least else "<="
        return f"{row} {sign} {self.bar:g} | {'met' if met else 'MISSED'} |"
