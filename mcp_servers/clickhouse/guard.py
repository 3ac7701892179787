"""The guard of `run_query`: what it does not know, it refuses.

It reads tokens, never patterns over raw text. Tables, functions and clauses come from closed lists, so a new feature of ClickHouse is
refused until somebody allows it. Grants stay the boundary; this keeps mistakes and injected text away from it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mcp_servers.clickhouse.texts import tokens, words
from mcp_servers.common.envelope import ToolFailure

MAX_SQL = 4_096
_SIGNS = frozenset("(),.*=<>!+-/%[]|:;")
# Words that choose a format, a file or settings, or begin what is no SELECT.
_REFUSED = frozenset(
    words(
        "INTO OUTFILE INFILE FORMAT SETTINGS INSERT ALTER DROP CREATE TRUNCATE GRANT REVOKE KILL BACKUP RESTORE "
        "EXPLAIN DESCRIBE SHOW ARRAY PASTE EXECUTE APPLY REPLACE COLUMNS RECURSIVE"
    )
)
# Words that may stand before a bracket without being a function.
_WORDS = frozenset(
    words(
        "SELECT FROM WHERE PREWHERE AND OR NOT IN ON USING AS BY HAVING OVER WHEN THEN ELSE CASE BETWEEN LIKE "
        "ILIKE UNION ALL DISTINCT JOIN INTERVAL WITH INTERSECT EXCEPT LIMIT OFFSET ANY"
    )
)
_FUNCTIONS = frozenset(
    words(
        "count sum avg min max any anylast argmin argmax uniq uniqexact uniqcombined uniqhll12 median quantile "
        "quantiles quantileexact quantiletdigest stddevpop stddevsamp varpop varsamp grouparray groupuniqarray "
        "topk countif sumif avgif minif maxif anyif uniqif uniqexactif quantileif if multiif ifnull nullif "
        "coalesce isnull isnotnull assumenotnull tonullable greatest least abs round floor ceil ceiling trunc "
        "sqrt pow exp log log2 log10 sign mod intdiv intdivorzero plus minus multiply divide equals notequals "
        "less greater lessorequals greaterorequals and or not xor length empty notempty lower upper lowerutf8 "
        "upperutf8 lengthutf8 substring substr substringutf8 concat trim ltrim rtrim trimboth startswith endswith "
        "position positioncaseinsensitive like notlike ilike match tostring todate todate32 todatetime "
        "todatetime64 toint8 toint16 toint32 toint64 touint8 touint16 touint32 touint64 tofloat32 tofloat64 "
        "tointornull toint64ornull tointorzero todecimal64 tounixtimestamp fromunixtimestamp now today yesterday "
        "date datediff dateadd datesub datetrunc date_diff date_trunc tostartofminute tostartoffiveminutes "
        "tostartoffiveminute tostartoftenminutes tostartoffifteenminutes tostartofhour tostartofday tostartofweek "
        "tomonday tostartofmonth tostartofinterval toyear tomonth todayofmonth todayofweek tohour tominute "
        "tosecond toyyyymm toyyyymmdd addminutes addhours adddays subtractminutes subtracthours subtractdays "
        "tointervalminute tointervalhour tointervalday formatreadablesize row_number rank dense_rank laginframe "
        "leadinframe has arrayjoin tuple array cast"
    )
)
_SETS = frozenset(words("UNION INTERSECT EXCEPT"))
_CLAUSES = frozenset(
    words("WHERE PREWHERE GROUP ORDER HAVING LIMIT OFFSET UNION INTERSECT EXCEPT SELECT WINDOW QUALIFY")
)
_AFTER_WITH = frozenset(words("TOTALS ROLLUP CUBE TIES FILL"))  # there WITH names nothing
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)
_VALUES = frozenset(words("NULL TRUE FALSE"))
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w$]*")


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind == "name" else ""

    @property
    def name(self) -> str:
        return self.text.strip('`"')


_END = _Token("end", "")


def admitted(sql: str, allowed: Sequence[str]) -> str:
    """``sql`` without comments, when it is one SELECT that reads ``allowed`` tables (globs over database.table) only.

    Raises `ToolFailure` VALIDATION or FORBIDDEN with what is not taken.
    """
    if len(sql) > MAX_SQL:
        raise _no(f"the statement has {len(sql):,} characters; at most {MAX_SQL:,} are taken")
    read = [_Token(kind, text) for kind, text in tokens(sql)]
    while read and (read[-1].kind in ("comment", "space") or read[-1].text == ";"):
        read.pop()
    text = "".join(" " if t.kind == "comment" else t.text for t in read).strip()
    found = [t for t in read if t.kind not in ("comment", "space")]
    if not found or found[0].word not in ("SELECT", "WITH"):
        raise _no("only SELECT (or WITH ... SELECT) is taken")
    for token in read:
        if token.kind != "comment":
            _check(token)
    _neighbours(read)
    _walk(found, allowed)
    return text


def _neighbours(read: list[_Token]) -> None:
    """Signs that mean something else beside each other: ``//`` begins a comment in newer servers, which would hide what is read as text
    here.
    """
    for i, token in enumerate(read):
        around = {t.text for t in (read[i - 1 : i] + read[i + 1 : i + 2] if i else read[1:2])}
        if token.text == "/" and around & {"/", "*"}:
            raise _no("// is not taken; write remarks as -- or /* */")
        if token.text == ":" and ":" not in around:
            raise _no("the sign ':' is taken as :: only")


def _check(token: _Token) -> None:
    if token.kind == "sign" and token.text not in _SIGNS:
        raise _no(f"the sign {token.text!r} is not taken")
    if token.text == ";":
        raise _no("one statement only")
    if token.kind == "string" and (token.text[0] != "'" or len(token.text) < 2 or not _closed(token.text)):
        raise _no("a string is not closed, or is written as a heredoc")
    if token.kind == "number" and not _NUMBER.fullmatch(token.text):
        raise _no(f"{token.text[:40]!r} is not a number")
    if token.kind == "name" and not token.text.isascii():
        raise _no("names may hold ASCII letters, digits, _ and $ only")
    if token.kind == "space" and not token.text.isascii():
        raise _no("only ordinary blanks are taken between words")
    if token.kind == "name" and token.text[0] in '`"' and not _PLAIN_NAME.fullmatch(token.name):
        raise _no("a quoted name may hold letters, digits, _ and $ only")
    if token.word in _REFUSED:
        raise _no(f"the word {token.word} is not taken")


def _closed(text: str) -> bool:
    return re.fullmatch(r"(?s)'(?:[^'\\]|\\.|'')*'", text) is not None


class _Named:
    """The names that WITH makes at the start of a statement. One counts behind its own definition only: within it, it means a table."""

    def __init__(self, found: Sequence[_Token]) -> None:
        self.known: set[str] = set()
        self._found = found
        self._head = found[0].word == "WITH"
        self._defining = ""

    def read(self, i: int) -> None:
        """The token at ``i``, outside all brackets."""
        token = self._found[i]
        if token.word in ("SELECT", *_SETS):
            self._head = False
        if token.word in _SETS:
            self.known.clear()  # older servers do not see these names in the second SELECT
        if token.text == ")" and self._defining:
            self.known.add(self._defining)
            self._defining = ""
        if (
            self._head
            and token.word == "AS"
            and self._found[i - 1].kind == "name"
            and _at(self._found, i + 1).text == "("
        ):
            self._defining = self._found[i - 1].name


def _walk(found: list[_Token], allowed: Sequence[str]) -> None:
    from_at: list[bool] = [False]  # whether this level of brackets is inside a FROM clause
    named = _Named(found)
    for i, token in enumerate(found):
        after = _at(found, i + 1)
        if token.text == "(":
            from_at.append(False)
        elif token.text == ")":
            from_at.pop()
            if not from_at:
                raise _no("brackets do not match")
        elif token.text == "," and from_at[-1]:
            raise _no("a list of tables is not taken; write JOIN ... ON with one condition, or USING (...)")
        elif token.word == "WITH" and i and after.word not in _AFTER_WITH:
            raise _no("WITH stands at the start of the statement only")
        elif token.word in _CLAUSES:
            from_at[-1] = False
        elif token.word in ("FROM", "JOIN"):
            from_at[-1] = True
            _table(found, i + 1, allowed, named.known)
        elif token.word == "IN":
            _member(found, i + 1)
        if len(from_at) == 1:
            named.read(i)
        called = token.kind == "name" and after.text == "(" and token.word not in _WORDS
        if called and token.name.lower() not in _FUNCTIONS:
            raise _no(f"the function {token.name[:60]} is not on the list of those that are taken")
    if len(from_at) != 1:
        raise _no("brackets do not match")


def _at(found: Sequence[_Token], i: int) -> _Token:
    return found[i] if i < len(found) else _END


def _table(found: list[_Token], at: int, allowed: Sequence[str], local: set[str]) -> None:
    """What stands behind FROM or JOIN: a subquery, a name that WITH made, or an allowed table."""
    ahead = [*found[at : at + 5], *([_END] * 5)]
    if ahead[0].text == "(":
        if ahead[1].word not in ("SELECT", "WITH"):
            raise _no("brackets behind FROM or JOIN must hold a SELECT")
        return
    if ahead[0].kind != "name":
        raise _no("FROM and JOIN need a table as database.table")
    if ahead[1].text != ".":
        if ahead[0].name in local and ahead[1].text != "(":
            return
        raise _no(f"{ahead[0].name[:60]} is not database.table; table functions are not taken")
    if ahead[2].kind != "name" or ahead[3].text in (".", "("):
        raise _no("FROM and JOIN need a table as database.table")
    name = f"{ahead[0].name}.{ahead[2].name}"
    if ahead[0].name.lower() in ("system", "information_schema") or not any(
        fnmatchcase(name, glob) for glob in allowed
    ):
        raise ToolFailure(
            "FORBIDDEN",
            f"{name[:120]} is not among the tables that may be read",
            hint=f"RCA_CH_ALLOWED has: {', '.join(allowed)[:200]}",
        )


def _member(found: list[_Token], at: int) -> None:
    """Behind IN only a list of values and calls, or a SELECT: a bare name there would be read as a table."""
    if at >= len(found) or found[at].text != "(":
        raise _no("IN needs a list or a SELECT in brackets")
    level, calls = 0, [False]  # for each bracket: whether it holds the arguments of a call, where names are columns
    for i in range(at, len(found)):
        token, after = found[i], _at(found, i + 1)
        if token.text == "(":
            level += 1
            calls.append(calls[-1] or (found[i - 1].kind == "name" and found[i - 1].word not in _WORDS))
        elif token.text == ")":
            level -= 1
            calls.pop()
            if not level:
                return
        elif calls[-1]:
            continue
        elif token.word in ("SELECT", "WITH"):
            if i != at + 1:
                raise _no("IN takes values or a SELECT, not both")
            return  # a SELECT of its own, read like any other
        elif token.kind == "name" and token.word not in _VALUES and after.text != "(":
            raise _no("IN takes values or a SELECT, not a name")
        elif token.kind == "sign" and token.text not in ",+-":
            raise _no("IN takes values or a SELECT, not an expression")


def _no(why: str) -> ToolFailure:
    return ToolFailure(
        "VALIDATION",
        f"the statement is refused: {why}",
        hint="example: SELECT status, count() FROM shop.orders GROUP BY status",
    )
