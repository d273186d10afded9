"""One measured figure, and the bar that it is held against."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured figure and its bar, if it has one: the most it may be, or the least."""

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
