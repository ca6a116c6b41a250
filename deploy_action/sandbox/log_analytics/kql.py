"""A small part of KQL: a table and the operators that log queries of deployments use.

``where`` (comparisons, ``contains``, ``has``, ``startswith``, ``in``, ``ago``, ``and``, ``or``),
``summarize`` (``count``, ``max``, ``min``, ``take_any``), ``count``, ``project``, ``take``,
``order by``. Source: the reference of the Kusto query language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

Row = Mapping[str, Any]
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<span>\d+[smhd])\b"
    r"|(?P<number>\d+(?:\.\d+)?)|(?P<mark>==|!=|=~|>=|<=|[|()<>,=])|(?P<word>\w+))"
)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    "=~": lambda left, right: str(left).lower() == str(right).lower(),
    "<": lambda left, right: bool(left < right),
    ">": lambda left, right: bool(left > right),
    "<=": lambda left, right: bool(left <= right),
    ">=": lambda left, right: bool(left >= right),
    "contains": lambda left, right: str(right).lower() in str(left).lower(),
    "startswith": lambda left, right: str(left).lower().startswith(str(right).lower()),
    "has": lambda left, right: (
        re.search(rf"(?<![a-z0-9]){re.escape(str(right).lower())}(?![a-z0-9])", str(left).lower())
        is not None
    ),
}
_FOLD: Final[Mapping[str, Callable[[Sequence[Any]], Any]]] = {
    "count": len,
    "max": max,
    "min": min,
    "take_any": lambda values: values[0],
}


class KqlError(Exception):
    """The query cannot be answered.

    Args:
        code: ``SyntaxError`` or ``SemanticError``.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Result:
    """The answer: columns in their order, and rows."""

    columns: Sequence[str]
    rows: Sequence[Row]


def run(text: str, tables: Mapping[str, Sequence[Row]], now: datetime) -> Result:
    """Answer a query.

    Args:
        text: the query.
        tables: the rows by table; a table without rows does not exist.
        now: what ``ago`` counts from.

    Raises:
        KqlError: the query uses unsupported syntax or an unknown name.
    """
    return _Reader(text, now).query(tables)


class _Reader:
    def __init__(self, text: str, now: datetime) -> None:
        self._now = now
        self._tokens: list[re.Match[str]] = []
        self._at = position = 0
        text = re.sub(r"//[^\n]*", "", text).strip().rstrip(";")
        while position < len(text):
            token = _TOKEN.match(text, position)
            if not token:
                raise KqlError("SyntaxError", f"unexpected '{text[position:].strip()[:20]}'")
            self._tokens.append(token)
            position = token.end()

    def query(self, tables: Mapping[str, Sequence[Row]]) -> Result:
        name = self._word()
        if not tables.get(name):
            text = f"Failed to resolve table or column expression named '{name}'"
            raise KqlError("SemanticError", text)
        result = Result(list(tables[name][0]), tables[name])
        operators = {
            "where": self._where,
            "filter": self._where,
            "summarize": self._summarize,
            "count": self._count,
            "project": self._project,
            "take": self._take,
            "limit": self._take,
            "order": self._order,
            "sort": self._order,
        }
        while self._peek():
            self._expect("|")
            operator = self._word()
            if operator not in operators:
                raise KqlError("SyntaxError", f"the operator '{operator}' is not supported")
            result = operators[operator](result)
        return result

    # -- operators -------------------------------------------------------------------------------

    def _where(self, table: Result) -> Result:
        condition = self._either(table)
        return Result(table.columns, [row for row in table.rows if condition(row)])

    def _summarize(self, table: Result) -> Result:
        folds = [self._fold(table)]
        while self._skip(","):
            folds.append(self._fold(table))
        keys = self._columns(table) if self._skip("by") else []
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in table.rows:
            groups.setdefault(tuple(row[key] for key in keys), []).append(row)
        if not keys and not groups:
            groups[()] = []
        rows = [
            {
                **dict(zip(keys, values, strict=True)),
                **{name: fold(members) for name, fold in folds},
            }
            for values, members in groups.items()
        ]
        return Result([*keys, *(name for name, _ in folds)], rows)

    def _count(self, table: Result) -> Result:
        return Result(["Count"], [{"Count": len(table.rows)}])

    def _project(self, table: Result) -> Result:
        names = self._columns(table)
        return Result(names, [{name: row[name] for name in names} for row in table.rows])

    def _take(self, table: Result) -> Result:
        return Result(table.columns, table.rows[: int(self._next("number"))])

    def _order(self, table: Result) -> Result:
        self._expect("by")
        name = self._column(table)
        ascending = self._skip("asc")
        if not ascending:
            self._skip("desc")
        rows = sorted(table.rows, key=lambda row: row[name], reverse=not ascending)
        return Result(table.columns, rows)

    # -- expressions -----------------------------------------------------------------------------

    def _either(self, table: Result) -> Callable[[Row], bool]:
        parts = [self._both(table)]
        while self._skip("or"):
            parts.append(self._both(table))
        return lambda row: any(part(row) for part in parts)

    def _both(self, table: Result) -> Callable[[Row], bool]:
        parts = [self._comparison(table)]
        while self._skip("and"):
            parts.append(self._comparison(table))
        return lambda row: all(part(row) for part in parts)

    def _comparison(self, table: Result) -> Callable[[Row], bool]:
        if self._skip("("):
            inner = self._either(table)
            self._expect(")")
            return inner
        name = self._column(table)
        sign = self._next("mark", "word")
        if sign == "in":
            self._expect("(")
            values = [self._value()]
            while self._skip(","):
                values.append(self._value())
            self._expect(")")
            return lambda row: row[name] in values
        if sign not in _COMPARE:
            raise KqlError("SyntaxError", f"the comparison '{sign}' is not supported")
        compare, value = _COMPARE[sign], self._value()

        def holds(row: Row) -> bool:
            try:
                return compare(row[name], value)
            except TypeError:
                text = f"Cannot compare values of types of '{name}' and {value!r}"
                raise KqlError("SemanticError", text) from None

        return holds

    def _value(self) -> Any:
        token = self._advance()
        if token["text"]:
            return re.sub(r"\\(.)", r"\1", token["text"][1:-1])
        if token["number"]:
            return float(token["number"])
        if token["word"] == "now":
            self._expect("(")
            self._expect(")")
            return self._now
        if token["word"] == "ago":
            self._expect("(")
            span = self._next("span")
            self._expect(")")
            return self._now - timedelta(seconds=int(span[:-1]) * _SECONDS[span[-1]])
        raise KqlError("SyntaxError", f"a value was expected, not '{token[0].strip()}'")

    def _fold(self, table: Result) -> tuple[str, Callable[[Sequence[Row]], Any]]:
        name = self._word()
        function, title = name, ""
        if self._skip("="):
            title, function = name, self._word()
        if function not in _FOLD:
            raise KqlError("SyntaxError", f"the function '{function}' is not supported")
        self._expect("(")
        column = "" if self._is(")") else self._column(table)
        self._expect(")")
        fold = _FOLD[function]
        if function == "count":
            return title or "count_", len
        return title or f"{function}_{column}", lambda rows: fold([row[column] for row in rows])

    def _columns(self, table: Result) -> list[str]:
        names = [self._column(table)]
        while self._skip(","):
            names.append(self._column(table))
        return names

    def _column(self, table: Result) -> str:
        name = self._word()
        if name not in table.columns:
            text = f"Failed to resolve column or scalar expression named '{name}'"
            raise KqlError("SemanticError", text)
        return name

    # -- tokens ----------------------------------------------------------------------------------

    def _peek(self) -> re.Match[str] | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _advance(self) -> re.Match[str]:
        token = self._peek()
        if token is None:
            raise KqlError("SyntaxError", "unexpected end of the query")
        self._at += 1
        return token

    def _next(self, *groups: str) -> str:
        token = self._advance()
        text = next((str(token[group]) for group in groups if token[group]), "")
        if not text:
            raise KqlError("SyntaxError", f"unexpected '{token[0].strip()}'")
        return text

    def _word(self) -> str:
        return self._next("word")

    def _is(self, text: str) -> bool:
        token = self._peek()
        return token is not None and text in {token["mark"], token["word"]}

    def _skip(self, text: str) -> bool:
        if not self._is(text):
            return False
        self._at += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._skip(text):
            token = self._peek()
            actual = f"not '{token[0].strip()}'" if token else "but the query ends"
            raise KqlError("SyntaxError", f"'{text}' was expected, {actual}")
