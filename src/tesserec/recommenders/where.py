"""Filters on item columns: `category = 'mugs' and not price > 10`, parsed and never evaluated.

    EXPR    := TERM (`or` TERM)*
    TERM    := FACTOR (`and` FACTOR)*
    FACTOR  := `not` FACTOR | `(` EXPR `)` | COLUMN OP LITERAL | COLUMN `in` `(` LITERAL, ... `)`
    OP      := = | != | < | <= | > | >=
    LITERAL := 'text' | "text" | number | true | false

A column that holds lists matches when one of its values does. A missing value matches nothing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import torch
from torch import Tensor

from tesserec.core import Entities
from tesserec.core.errors import BadRequest
from tesserec.core.spec import nearest

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
        |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
        |(?P<name>`[^`]+`|[^\W\d][\w.]*)
        |(?P<sign><=|>=|!=|=|<|>|\(|\)|\[|\]|,))""",
    re.VERBOSE,
)
_WORDS = {"and", "or", "not", "in", "true", "false"}

_COMPARE: Mapping[str, Callable[[pl.Expr, Any], pl.Expr]] = {
    "=": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
}


def allowed_items(items: Entities, text: str) -> Tensor:
    """Which items an expression keeps: [I] bool. Raises `BadRequest` saying where it is wrong."""
    table = items.features.with_columns(id=items.ids)
    parser = _Parser(text, _tokens(text), table.schema)
    kept = table.select(keep=parser.whole().fill_null(False))["keep"]
    return torch.from_numpy(kept.to_numpy().copy())


@dataclass(frozen=True)
class _Token:
    kind: str  # text, number, name, sign, word, end
    value: str
    place: int


def _tokens(text: str) -> list[_Token]:
    tokens, place = [], 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise BadRequest(f"--where cannot be read at {text[place:].strip()[:20]!r}.", _EXAMPLE)
        kind = str(match.lastgroup)
        value, begin = match[kind], match.start(kind)
        if kind == "name" and value.lower() in _WORDS:
            kind, value = "word", value.lower()
        tokens.append(_Token(kind, value, begin))
        place = match.end()
    return [*tokens, _Token("end", "the end", len(text))]


_EXAMPLE = """Write for example: --where "category = 'mugs' and price < 10"."""


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str, tokens: list[_Token], schema: pl.Schema) -> None:
        self.text, self.tokens, self.schema, self.at = text, tokens, schema, 0

    def whole(self) -> pl.Expr:
        found = self.either()
        if self.next.kind != "end":
            self.fail("`and`, `or` or the end")
        return found

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def take(self, *values: str) -> bool:
        """Step over the next token if it is one of these."""
        if self.next.kind in ("word", "sign") and self.next.value in values:
            self.at += 1
            return True
        return False

    def fail(self, wanted: str) -> None:
        raise BadRequest(
            f"--where expects {wanted} at place {self.next.place + 1}, and finds "
            f"{self.next.value!r}: {self.text}",
            _EXAMPLE,
        )

    def either(self) -> pl.Expr:
        found = self.both()
        while self.take("or"):
            found = found | self.both()
        return found

    def both(self) -> pl.Expr:
        found = self.factor()
        while self.take("and"):
            found = found & self.factor()
        return found

    def factor(self) -> pl.Expr:
        if self.take("not"):
            return ~self.factor()
        if self.take("("):
            found = self.either()
            if not self.take(")"):
                self.fail("`)`")
            return found
        return self.comparison()

    def comparison(self) -> pl.Expr:
        name = self.column()
        dtype = self.schema[name]
        is_list = isinstance(dtype, pl.List)
        inner = dtype.inner if isinstance(dtype, pl.List) else dtype
        value = pl.element() if is_list else pl.col(name)
        if self.take("in"):
            test = value.is_in(self.several(inner))
        else:
            sign = self.next.value
            if self.next.kind != "sign" or sign not in _COMPARE:
                self.fail("one of = != < <= > >= in")
            self.at += 1
            test = _COMPARE[sign](value, self.literal(inner))
        return pl.col(name).list.eval(test).list.any() if is_list else test

    def column(self) -> str:
        name = self.next.value.strip("`")
        if self.next.kind != "name":
            self.fail("a column")
        if name not in self.schema:
            raise BadRequest(f"Items have no column {name!r}{nearest(name, self.schema)}.")
        self.at += 1
        return name

    def several(self, dtype: Any) -> list[Any]:
        if not self.take("(", "["):
            self.fail("`(`")
        found = [self.literal(dtype)]
        while self.take(","):
            found.append(self.literal(dtype))
        if not self.take(")", "]"):
            self.fail("`,` or `)`")
        return found

    def literal(self, dtype: Any) -> Any:
        """A value of the column's own kind: numbers are not compared with text."""
        token = self.next
        self.at += 1
        if token.kind == "text" and dtype in (pl.String, pl.Categorical):
            return re.sub(r"\\(.)", r"\1", token.value[1:-1])
        if token.kind == "number" and dtype.is_numeric():
            return float(token.value) if re.search(r"[.eE]", token.value) else int(token.value)
        if token.value in ("true", "false") and dtype == pl.Boolean:
            return token.value == "true"
        self.at -= 1
        kind = (
            "a number" if dtype.is_numeric() else "true or false" if dtype == pl.Boolean else "text"
        )
        self.fail(f"{kind} (the column holds {dtype})")
        raise AssertionError
