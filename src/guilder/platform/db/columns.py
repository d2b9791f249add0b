"""A batch as columns: one array a column, all rows by one statement. What is the same in every row is sent once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import eq, is_
from typing import Any

# Equal decimals may be written otherwise (1.0 and 1.00), and PostgreSQL keeps how.
_EQUAL = {"numeric": is_}


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a batch: each one's name, and the type of its values, in the order of the parameters."""

    kinds: Mapping[str, str]
    table: str = field(init=False)
    """`(select …) as v`, to select from: its columns by their names, and `nth`, from 1. It takes `$1` onwards."""

    def __post_init__(self) -> None:
        arrays = [f"${n}::{kind}[]" for n, kind in enumerate(self.kinds.values(), start=1)]
        # An array of one stands for all rows. Where there is one row, that is what it is anyhow.
        values = ", ".join(
            f"case when cardinality({array}) = 1 then ({array})[1] else u.{name} end as {name}"
            for name, array in zip(self.kinds, arrays, strict=True)
        )
        names = ", ".join(self.kinds)
        table = f"(select {values}, u.nth from unnest({', '.join(arrays)}) with ordinality as u ({names}, nth)) as v"
        object.__setattr__(self, "table", table)

    @property
    def names(self) -> str:
        return ", ".join(self.kinds)

    def of(self, rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
        """Return the parameters for rows that have at least these columns."""
        return self.sent(*([row[name] for row in rows] for name in self.kinds))

    def sent(self, *columns: list[Any]) -> list[list[Any]]:
        """Return the parameters for columns that are lists already, in order and of one length."""
        count = len(columns[0])
        assert len(columns) == len(self.kinds), (len(columns), self.kinds)
        assert all(len(each) == count for each in columns), [len(each) for each in columns]
        short = [
            each[:1] if count > 1 and _is_one(each, kind) else each
            for each, kind in zip(columns, self.kinds.values(), strict=True)
        ]
        if count > 1 and all(len(each) == 1 for each in short):
            short[0] = columns[0]  # something has to say how many there are
        return short


def _is_one(values: list[Any], kind: str) -> bool:
    return all(map(_EQUAL.get(kind, eq), values, repeat(values[0])))
