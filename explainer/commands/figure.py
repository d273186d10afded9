"""One measured figure, and the bar that it is held against."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured figure and the bar that it must not exceed, if there is one."""

    name: str
    value: float
    unit: str
    bar: float | None

    def row(self) -> str:
        """Return a line of the table."""
        row = f"| {self.name} | {self.value:.2f} {self.unit} |"
        if self.bar is None:
            return f"{row} | |"
        return f"{row} <= {self.bar:g} | {'met' if self.value <= self.bar else 'MISSED'} |"
