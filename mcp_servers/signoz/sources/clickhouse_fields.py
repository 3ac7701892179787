"""Which keys and values telemetry has, out of the telemetry itself.

The rows of the window are thinned to a bounded number first: SigNoz's own tables of keys know neither the service nor the window, so
they would offer keys that filter to nothing.
"""

# ruff: noqa: S608, E501 (statements are constants over constants; values travel as typed parameters)

from typing import Final

from mcp_servers.signoz.client import Query, Store, Value
from mcp_servers.signoz.reading import number
from mcp_servers.signoz.series_reads import FieldKey, FieldValue, Telemetry
from mcp_servers.signoz.sources.clickhouse_metrics import OF_SERVICE
from mcp_servers.signoz.sql import LOGS, SERVICE_OF_SPAN, SPANS
from mcp_servers.signoz.windows_resource import LOGS_OF_SERVICE, SPANS_OF_SERVICE

ROWS_LOOKED_AT: Final = 20_000
_OF_LOG = "({service:String}) IN (resources_string['service.name'], resources_string['k8s.deployment.name'], resources_string['k8s.container.name'])"
_BEGINNINGS: dict[Telemetry, str] = {
    "logs": f"{LOGS} AND ({{service:String}} = '' OR {_OF_LOG}) AND {LOGS_OF_SERVICE}",
    "traces": f"{SPANS} AND ({{service:String}} = '' OR {SERVICE_OF_SPAN} = {{service:String}}) AND {SPANS_OF_SERVICE}",
}
# Columns that every row has; they filter like keys do.
_COLUMNS: dict[Telemetry, str] = {
    "logs": "map('severity_text', severity_text, 'trace_id', toString(trace_id))",
    "traces": "map('name', toString(name), 'kind_string', kind_string, 'status_code_string', status_code_string, 'http_status', toString(response_status_code))",
}
_SERIES = f"""signoz_metrics.distributed_time_series_v4 WHERE unix_milli >= {{from_s:Int64}} * 1000 - 3600000
 AND unix_milli <= {{to_s:Int64}} * 1000 AND {OF_SERVICE}"""


def _keys(kind: Telemetry) -> Query:
    return Query(
        f"keys of {kind}",
        f"""SELECT key, context, type, count() AS n FROM (SELECT arrayJoin(arrayConcat(
  arrayMap(k -> (toString(k), 'resource', 'string'), mapKeys(resources_string)), arrayMap(k -> (toString(k), 'attribute', 'string'), mapKeys(attributes_string)),
  arrayMap(k -> (toString(k), 'attribute', 'number'), mapKeys(attributes_number)), arrayMap(k -> (toString(k), 'attribute', 'bool'), mapKeys(attributes_bool)),
  arrayMap(k -> (k, 'column', 'string'), mapKeys({_COLUMNS[kind]})))) AS field, field.1 AS key, field.2 AS context, field.3 AS type
  FROM (SELECT * FROM {_BEGINNINGS[kind]} LIMIT {ROWS_LOOKED_AT}))
 WHERE positionCaseInsensitiveUTF8(key, {{search:String}}) > 0 GROUP BY key, context, type ORDER BY n DESC, key LIMIT {{limit:UInt16}}""",
    )


def _values(kind: Telemetry) -> Query:
    return Query(
        f"values in {kind}",
        f"""SELECT value, count() AS n FROM (SELECT coalesce(nullIf(resources_string[{{key:String}}], ''), nullIf(attributes_string[{{key:String}}], ''),
  if(mapContains(attributes_number, {{key:String}}), toString(attributes_number[{{key:String}}]), NULL),
  if(mapContains(attributes_bool, {{key:String}}), toString(attributes_bool[{{key:String}}]), NULL), nullIf({_COLUMNS[kind]}[{{key:String}}], '')) AS value
  FROM (SELECT * FROM {_BEGINNINGS[kind]} LIMIT {ROWS_LOOKED_AT}))
 WHERE value IS NOT NULL AND positionCaseInsensitiveUTF8(assumeNotNull(value), {{search:String}}) > 0
 GROUP BY value ORDER BY n DESC, value LIMIT {{limit:UInt16}}""",
    )


KEYS: Final = {
    "logs": _keys("logs"),
    "traces": _keys("traces"),
    "metrics": Query(
        "labels of metrics",
        f"""SELECT key, 'label' AS context, 'string' AS type, count() AS n FROM (SELECT arrayJoin(arrayConcat(mapKeys(attrs), mapKeys(resource_attrs))) AS key
  FROM (SELECT attrs, resource_attrs FROM {_SERIES} LIMIT {ROWS_LOOKED_AT})) WHERE positionCaseInsensitiveUTF8(key, {{search:String}}) > 0
 GROUP BY key ORDER BY n DESC, key LIMIT {{limit:UInt16}}""",
    ),
}
VALUES: Final = {
    "logs": _values("logs"),
    "traces": _values("traces"),
    "metrics": Query(
        "values of a label",
        f"""SELECT JSONExtractString(labels, {{key:String}}) AS value, count() AS n FROM (SELECT labels FROM {_SERIES} LIMIT {ROWS_LOOKED_AT})
 WHERE value != '' AND positionCaseInsensitiveUTF8(value, {{search:String}}) > 0 GROUP BY value ORDER BY n DESC, value LIMIT {{limit:UInt16}}""",
    ),
}


class ClickHouseFields:
    """`mcp_servers.signoz.series_reads.FieldReads` over the store; counts are of at most `ROWS_LOOKED_AT` rows."""

    store: Store

    async def field_keys(  # noqa: PLR0917 (what is asked for, in the order of the tool's arguments)
        self, kind: Telemetry, search: str, service: str, from_s: int, to_s: int, limit: int
    ) -> tuple[FieldKey, ...]:
        values: dict[str, Value] = {
            "search": search,
            "service": service,
            "from_s": from_s,
            "to_s": to_s,
            "limit": limit,
        }
        rows = await self.store.rows(KEYS[kind], values)
        return tuple(FieldKey(str(r["key"]), str(r["context"]), str(r["type"]), int(number(r["n"]))) for r in rows)

    async def field_values(  # noqa: PLR0917 (what is asked for, in the order of the tool's arguments)
        self, kind: Telemetry, key: str, search: str, service: str, from_s: int, to_s: int, limit: int
    ) -> tuple[FieldValue, ...]:
        values: dict[str, Value] = {
            "search": search,
            "service": service,
            "from_s": from_s,
            "to_s": to_s,
            "limit": limit,
        }
        rows = await self.store.rows(VALUES[kind], values | {"key": key})
        return tuple(FieldValue(str(r["value"]), int(number(r["n"]))) for r in rows)
