"""A batch as columns: one array a column, all rows by one statement. What is the same in every row is sent once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import eq
from typing import Any

# As what values are sent that the driver is slow to encode: a decimal takes it six times as long as its text takes Python.
# And equal ones may be written otherwise (1.0 and 1.00), which PostgreSQL keeps.
_SENT_AS = {"numeric": "text"}

# What stands between the values of a column that is sent as one text.
_END = "\n"


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a batch: each one's name, and the type of its values, in the order of the parameters.

    `joined` are those that are hardly ever the same throughout, and whose values are written in one line, which is never
    empty: ids, JSON as an encoder writes it. Each is sent as one text, as the driver looks at every element of an array
    several times.
    """

    kinds: Mapping[str, str]
    joined: Collection[str] = ()
    table: str = field(init=False)
    """`(select …) as v`, to select from: its columns by their names, and `nth`, from 1. It takes `$1` onwards."""

    def __post_init__(self) -> None:
        values, arrays = [], []
        for n, (name, kind) in enumerate(self.kinds.items(), start=1):
            if name in self.joined:
                arrays.append(f"string_to_array(${n}::text, E'\\n', '')")
                values.append(f"u.{name}::{kind} as {name}")
            else:
                array = f"${n}::{_SENT_AS.get(kind, kind)}[]"
                arrays.append(array)
                # An array of one stands for all rows. Where there is one row, that is what it is anyhow.
                value = f"case when cardinality({array}) = 1 then ({array})[1] else u.{name} end"
                values.append(f"({value})::{kind} as {name}")
        rows = f"unnest({', '.join(arrays)}) with ordinality as u ({', '.join(self.kinds)}, nth)"
        object.__setattr__(self, "table", f"(select {', '.join(values)}, u.nth from {rows}) as v")

    @property
    def names(self) -> str:
        return ", ".join(self.kinds)

    def of(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return the parameters for rows that have at least these columns."""
        return self.sent(*([row[name] for row in rows] for name in self.kinds))

    def sent(self, *columns: list[Any]) -> list[Any]:
        """Return the parameters for columns that are lists already, in order and of one length."""
        count = len(columns[0])
        assert len(columns) == len(self.kinds), (len(columns), self.kinds)
        assert all(len(each) == count for each in columns), [len(each) for each in columns]
        texts = [
            [None if value is None else str(value) for value in each] if kind in _SENT_AS else each
            for each, kind in zip(columns, self.kinds.values(), strict=True)
        ]
        short = [
            _joined(each) if name in self.joined else each[:1] if count > 1 and _is_one(each) else each
            for each, name in zip(texts, self.kinds, strict=True)
        ]
        if count > 1 and not self.joined and all(len(each) == 1 for each in short):
            short[0] = texts[0]  # something has to say how many there are
        return short


def _joined(values: list[Any]) -> str:
    text = _END.join(["" if each is None else str(each) for each in values])
    assert text.count(_END) == max(0, len(values) - 1), "a value of several lines"
    return text


def _is_one(values: list[Any]) -> bool:
    return all(map(eq, values, repeat(values[0])))
