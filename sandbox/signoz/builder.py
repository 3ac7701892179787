"""A builder query into SQL, and the engine's rows into the documented answer. Fields that the API does not know are refused."""

# ruff: noqa: S608, SIM905 (a stand-in: its statements are made of checked keys and quoted literals)

import json
import re
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from sandbox.clickhouse.engine import Engine
from sandbox.signoz.filters import BadFilter, KeyMissing, bare, quoted, sql_of
from sandbox.signoz.samples import metric_series

Json = dict[str, Any]
TABLES = {"logs": "signoz_logs.logs_v2", "traces": "signoz_traces.signoz_index_v3"}
_COLUMNS = {
    "logs": "timestamp id trace_id span_id severity_text severity_number body scope_name scope_version".split(),
    "traces": "timestamp trace_id span_id parent_span_id name kind kind_string duration_nano status_code status_message status_code_string "
    "response_status_code has_error http_method http_url http_host db_name db_operation is_remote".split(),
}
_MAPS = ("resources_string", "attributes_string", "attributes_number", "attributes_bool")
_BODY = {"schemaVersion", "start", "end", "requestType", "compositeQuery", "formatOptions", "noCache", "variables"}
_SPEC = set(
    "name signal source stepInterval aggregations disabled filter groupBy order selectFields limit limitBy offset cursor having "
    "secondaryAggregations functions legend shiftBy".split()
)
_CALL = re.compile(r"(?is)\s*([a-z_]\w*)\s*\((.*)\)\s*")
_MAX_LIMIT = 10_000


class Refused(Exception):
    """HTTP 400, with the message and what is suggested."""

    def __init__(self, message: str, suggestions: list[str] | None = None) -> None:
        self.suggestions = suggestions or []
        super().__init__(message)


class Builder:
    """``hidden``: keys that are to be unknown, whatever the data has."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.hidden: set[str] = set()
        self._keys: dict[str, dict[str, str]] = {signal: self._known(signal) for signal in TABLES}

    def rows(self, statement: str) -> list[Json]:
        body = self.engine.run(statement, "JSONEachRow", settings={"output_format_json_quote_64bit_integers": "0"}).body
        return [json.loads(line) for line in body.splitlines() if line.strip()]

    def keys(self, signal: str) -> dict[str, str]:
        """Key -> the map that holds it, without what is hidden."""
        return {k: v for k, v in self._keys[signal].items() if k not in self.hidden}

    def _known(self, signal: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for column in _MAPS:
            for row in self.rows(f"SELECT DISTINCT arrayJoin(mapKeys({column})) AS k FROM {TABLES[signal]} ORDER BY k"):
                found.setdefault(row["k"], column)
        return found

    def column(self, signal: str, key: str) -> tuple[str, str]:
        """How a key is read, and whether a row has it. Raises `KeyMissing`."""
        key = bare(key)
        if key in _COLUMNS[signal] and key not in self.hidden:
            read = f"toString({key})" if key == "trace_id" else key
            return read, f"notEmpty(toString({key}))"
        known = self.keys(signal)
        if key not in known:
            raise KeyMissing(key, [*known, *_COLUMNS[signal]])
        return f"{known[key]}[{quoted(key)}]", f"mapContains({known[key]}, {quoted(key)})"

    def answer(self, body: Json) -> Json:
        """``type, data, meta`` for one question. Raises `Refused`."""
        _only(body, _BODY)
        kind, composite = body.get("requestType"), body.get("compositeQuery") or {}
        _only(composite, {"queries"})
        if kind not in ("raw", "time_series", "scalar", "trace"):
            raise Refused(f"invalid request type {kind!r}")
        if (
            not isinstance(body.get("start"), int)
            or not isinstance(body.get("end"), int)
            or body["start"] >= body["end"]
        ):
            raise Refused("start time must be before end time")
        results = []
        for query in composite.get("queries") or []:
            _only(query, {"type", "spec"})
            if query.get("type") != "builder_query":
                raise Refused(f"this stand-in does not know queries of type {query.get('type')!r}")
            spec = query.get("spec") or {}
            _only(spec, _SPEC)
            try:
                results.append(self._result(kind, spec, body["start"], body["end"]))
            except KeyMissing as missing:
                raise Refused(str(missing), [f"did you mean: `{k}`?" for k in missing.near]) from missing
            except BadFilter as bad:
                raise Refused(f"Found 1 errors while parsing the search expression: {bad}") from bad
        return {
            "type": kind,
            "data": {"results": results},
            "meta": {"rowsScanned": 0, "bytesScanned": 0, "durationMs": 1},
        }

    def _result(self, kind: str, spec: Json, start: int, end: int) -> Json:
        signal, name = spec.get("signal"), spec.get("name", "A")
        if signal == "metrics":
            return {
                "queryName": name,
                "aggregations": [{"index": 0, "alias": "", "series": metric_series(self, spec, start, end)}],
            }
        if signal not in TABLES:
            raise Refused(f"invalid signal {signal!r}")
        limit = int(spec.get("limit") or 100)
        if limit > _MAX_LIMIT:
            raise Refused(f"limit must be at most {_MAX_LIMIT}")
        where = f"{_time(signal, start, end)} AND {sql_of(self._filter(spec), lambda k: self.column(signal, k))}"
        if kind == "raw":
            return {"queryName": name, "nextCursor": "", "rows": self._raw(signal, spec, where, limit)}
        groups = [bare(_named(g)) for g in spec.get("groupBy") or []]
        columns = [f"toString({self.column(signal, g)[0]}) AS g{i}" for i, g in enumerate(groups)]
        sums = [f"{self._sum(signal, a)} AS a{i}" for i, a in enumerate(spec.get("aggregations") or [])]
        if not sums:
            raise Refused("at least one aggregation is required")
        by = ", ".join(f"g{i}" for i in range(len(groups)))
        if kind == "scalar":
            order = self._order(signal, spec, groups) or "a0 DESC"
            found = self.rows(
                f"SELECT {', '.join([*columns, *sums])} FROM {TABLES[signal]} WHERE {where}"
                + (f" GROUP BY {by}" if by else "")
                + f" ORDER BY {order} LIMIT {limit}"
            )
            return {"queryName": name, **_scalar(found, groups, len(sums))}
        step = max(1, int(float(spec.get("stepInterval") or 60)))
        at = "fromUnixTimestamp64Nano(toInt64(timestamp))" if signal == "logs" else "timestamp"
        slot = f"intDiv(toUnixTimestamp64Milli({at}), {step * 1000})"
        found = self.rows(
            f"SELECT {', '.join([*columns, f'{slot} AS slot', *sums])} FROM {TABLES[signal]} WHERE {where} "
            f"GROUP BY {', '.join(filter(None, [by, 'slot']))} ORDER BY slot"
        )
        return {"queryName": name, "aggregations": _buckets(found, groups, len(sums), step * 1000, (start, end))}

    def _filter(self, spec: Json) -> str:
        told = spec.get("filter") or {}
        _only(told, {"expression"})
        return str(told.get("expression") or "")

    def _sum(self, signal: str, aggregation: Json) -> str:
        _only(aggregation, {"expression", "alias"})
        found = _CALL.fullmatch(str(aggregation.get("expression", "")))
        if not found:
            raise Refused(f"invalid aggregation {aggregation.get('expression')!r}")
        function, argument = found[1].lower(), found[2].strip()
        if function in ("count", "rate") and not argument:
            return "count()"
        if function == "countif":
            return f"countIf({sql_of(argument, lambda k: self.column(signal, k))})"
        read = self.column(signal, argument)[0]
        if function in ("avg", "sum"):
            return f"{function}({read})"
        if function in ("min", "max"):
            return f"toString({function}({read}))" if argument == "timestamp" else f"{function}({read})"
        if re.fullmatch(r"p\d\d", function):
            return f"quantile(0.{function[1:]})({read})"
        raise Refused(f"invalid function {function!r}")

    def _order(self, signal: str, spec: Json, groups: list[str]) -> str:
        made = []
        expressions = [str(a.get("expression")) for a in spec.get("aggregations") or []]
        for one in spec.get("order") or []:
            _only(one, {"key", "direction"})
            key, way = _named(one.get("key") or {}), str(one.get("direction", "desc")).upper()
            if way not in ("ASC", "DESC"):
                raise Refused(f"invalid order direction {way!r}")
            if key in expressions:
                made.append(f"a{expressions.index(key)} {way}")
            elif key in groups:
                made.append(f"g{groups.index(key)} {way}")
            elif expressions:
                raise Refused(f"invalid order by key {key!r}")
            else:
                made.append(f"{self.column(signal, key)[0]} {way}")
        return ", ".join(made)

    def _raw(self, signal: str, spec: Json, where: str, limit: int) -> list[Json] | None:
        wanted = [bare(_named(f)) for f in spec.get("selectFields") or []]
        names = list(dict.fromkeys(["timestamp", *(["id"] if signal == "logs" else []), *(wanted or _COLUMNS[signal])]))
        cells = [f"{self.column(signal, k)[0]} AS c{i}" for i, k in enumerate(names)]
        if not wanted and signal == "logs":
            cells += [*_MAPS]
        order = self._order(signal, spec, []) or "timestamp DESC"
        found = self.rows(
            f"SELECT {', '.join(cells)} FROM {TABLES[signal]} WHERE {where} ORDER BY {order} LIMIT {limit}"
        )
        made = []
        for row in found:
            data = {name: row[f"c{i}"] for i, name in enumerate(names)} | {m: row[m] for m in _MAPS if m in row}
            at = data["timestamp"] if signal == "traces" else _iso(int(data["timestamp"]))
            if signal == "traces":
                data["timestamp"] = at = str(at).replace(" ", "T") + "Z"
            made.append({"timestamp": at, "data": data})
        return made


def _only(given: Any, known: set[str]) -> None:
    for key in given if isinstance(given, dict) else ():
        if key not in known:
            raise Refused(f'unknown field "{key}"')


def _named(key: Any) -> str:
    if not isinstance(key, dict):
        raise Refused("a key is an object with a name")
    _only(key, {"name", "signal", "fieldContext", "fieldDataType", "description", "unit"})
    return str(key.get("name", ""))


def _time(signal: str, start: int, end: int) -> str:
    if signal == "logs":
        return f"timestamp >= {start * 10**6} AND timestamp < {end * 10**6}"
    return f"timestamp >= fromUnixTimestamp64Milli({start}) AND timestamp < fromUnixTimestamp64Milli({end})"


def _iso(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at_ns % 10**9:09d}Z"


def number(value: Any) -> Any:
    """As the API writes it: what is no number as text."""
    if value is None:
        return "NaN"
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value


def _scalar(rows: list[Json], groups: list[str], sums: int) -> Json:
    columns = [{"name": g, "queryName": "A", "aggregationIndex": 0, "columnType": "group"} for g in groups]
    columns += [
        {"name": f"__result_{i}", "queryName": "A", "aggregationIndex": i, "columnType": "aggregation"}
        for i in range(sums)
    ]
    data = [[*(row[f"g{i}"] for i in range(len(groups))), *(number(row[f"a{i}"]) for i in range(sums))] for row in rows]
    return {"columns": columns, "data": data or None}


def _buckets(rows: list[Json], groups: list[str], sums: int, step: int, window: tuple[int, int]) -> list[Json]:
    series: dict[tuple[str, ...], list[Json]] = {}
    for row in rows:
        series.setdefault(tuple(row[f"g{i}"] for i in range(len(groups))), []).append(row)
    made = []
    for i in range(sums):
        lines = []
        for labels, found in sorted(series.items()):
            values = []
            for row in found:
                at = int(row["slot"]) * step
                cut = {"partial": True} if at < window[0] or at + step > window[1] else {}
                values.append({"timestamp": at, "value": number(row[f"a{i}"]), **cut})
            lines.append(
                {
                    "labels": [{"key": {"name": g}, "value": v} for g, v in zip(groups, labels, strict=True)],
                    "values": values,
                }
            )
        made.append({"index": i, "alias": "", "meta": {}, "series": lines})
    return made
