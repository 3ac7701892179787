"""The reads over SigNoz's ClickHouse store: fixed statements, values as typed parameters."""

# ruff: noqa: S608, E501 (statements are constants over constants; values travel as typed parameters)

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.signoz.client import Query, Store, Value
from mcp_servers.signoz.edges import BACKENDS, CALLS, PATHS
from mcp_servers.signoz.flow import DOINGS, STEPS
from mcp_servers.signoz.logs import ROWS, SERIES, SHAPES, TOTALS
from mcp_servers.signoz.reading import number
from mcp_servers.signoz.red import COUNT, RED, SEEN, SELF
from mcp_servers.signoz.sources import Identity, Kind, LogFilter, Read
from mcp_servers.signoz.sources.clickhouse_alerts import HISTORY, RULE, STATES, instances, timeline
from mcp_servers.signoz.sources.clickhouse_fields import ClickHouseFields
from mcp_servers.signoz.sources.clickhouse_metrics import ClickHouseMetrics
from mcp_servers.signoz.sources.clickhouse_search import ClickHouseSearch
from mcp_servers.signoz.sql import IS_BASE, IS_CURRENT, LOGS_TABLE, SERVICE_OF_SPAN, SPANS, SPANS_TABLE
from mcp_servers.signoz.trace import FIND, SPANS_OF
from mcp_servers.signoz.unanswered import UNANSWERED
from mcp_servers.signoz.windows import FIRST, Windows

_DAY_S = 86_400
OPERATIONS = Query(
    "operations",
    f"""SELECT {SERVICE_OF_SPAN} AS service, name, countIf({IS_CURRENT}) AS calls, countIf({IS_BASE}) AS base_calls,
 countIf(has_error AND {IS_CURRENT}) AS errors, countIf(has_error AND {IS_BASE}) AS base_errors,
 quantileIf(0.99)(duration_nano, {IS_CURRENT}) / 1e6 AS p99, quantileIf(0.99)(duration_nano, {IS_BASE}) / 1e6 AS base_p99
 FROM {SPANS} AND kind IN (2, 5) AND ({{service:String}} = '' OR {SERVICE_OF_SPAN} = {{service:String}})
 GROUP BY service, name ORDER BY calls + base_calls DESC LIMIT 300""",
)
EXCEPTIONS = Query(
    "exceptions",
    f"""SELECT serviceName AS service, exceptionType AS type, any(substring(exceptionMessage, 1, 600)) AS message,
 any(substring(exceptionStacktrace, 1, 4000)) AS stack, anyIf(toString(traceID), {IS_CURRENT}) AS trace, countIf({IS_CURRENT}) AS n, countIf({IS_BASE}) AS base_n,
 toUnixTimestamp(minIf(timestamp, {IS_CURRENT})) AS first, toUnixTimestamp(maxIf(timestamp, {IS_CURRENT})) AS last
 FROM signoz_traces.distributed_signoz_error_index_v2
 WHERE timestamp >= toDateTime64({{from_s:UInt64}}, 9) AND timestamp < toDateTime64({{to_s:UInt64}}, 9)
 AND ({{service:String}} = '' OR serviceName = {{service:String}})
 GROUP BY service, type HAVING n > 0 ORDER BY base_n = 0 DESC, n DESC LIMIT 200""",
)
PROBES = {
    "traces": Query(
        "health of traces", f"SELECT timestamp, {SERVICE_OF_SPAN}, trace_id, has_error FROM {SPANS_TABLE} LIMIT 0"
    ),
    "logs": Query(
        "health of logs", f"SELECT timestamp, body, resources_string, severity_number FROM {LOGS_TABLE} LIMIT 0"
    ),
    "exceptions": Query(
        "health of exceptions",
        "SELECT timestamp, serviceName FROM signoz_traces.distributed_signoz_error_index_v2 LIMIT 0",
    ),
    "metrics": Query(
        "health of metrics", "SELECT metric_name, unix_milli, value FROM signoz_metrics.distributed_samples_v4 LIMIT 0"
    ),
    "alerts": Query(
        "health of alerts",
        "SELECT rule_id, state, unix_milli FROM signoz_analytics.distributed_rule_state_history_v0 LIMIT 0",
    ),
}
PROBES["rules"] = PROBES["alerts"]


class ClickHouseSource(ClickHouseMetrics, ClickHouseFields, ClickHouseSearch):
    """See `Source`. ``store`` is open and stays this source's own."""

    backend = "signoz-clickhouse"

    def __init__(self, store: Store) -> None:
        self.store = store

    async def close(self) -> None:
        await self.store.close()

    @property
    def refusal(self) -> ToolFailure | None:
        return self.store.refusal

    async def identity(self) -> Identity:
        told = await self.store.version()
        return Identity(
            "ClickHouse",
            self.store.where,
            str(told["version"]),
            str(told["user"]),
            number(told["now"]),
            excess=self.store.excess,
            warnings=tuple(self.store.warnings),
        )

    async def probe(self, part: str) -> None:
        await self.store.rows(PROBES[part], {})

    async def first(self, kind: Kind, from_s: int, to_s: int) -> int:
        found = await self.store.rows(FIRST[kind], {"from_s": from_s, "to_s": to_s})
        return int(number(found[0]["first"])) if found else 0

    async def _read(self, query: Query, both: Windows, **more: Value) -> Read:
        return Read(await self.store.rows(query, both.values | more))

    async def log_volumes(self, both: Windows, service: str) -> Read:
        return await self._read(TOTALS, both, service=service)

    async def log_shapes(self, both: Windows, only: LogFilter, sample: int) -> Read:
        return await self._read(SHAPES, both, **vars(only), sample=sample)

    async def log_series(self, both: Windows, only: LogFilter, step_s: int) -> Read:
        return await self._read(SERIES, both, **vars(only), step_ns=step_s * 10**9)

    async def log_rows(self, both: Windows, only: LogFilter, limit: int) -> Read:
        return await self._read(ROWS, both, **vars(only), limit=limit)

    async def steps(self, both: Windows, service: str, sample: int) -> Read:
        return await self._read(STEPS, both, service=service, sample=sample)

    async def doings(self, both: Windows, service: str, sample: int) -> Read:
        return await self._read(DOINGS, both, service=service, sample=sample)

    async def span_count(self, both: Windows) -> int:
        found = await self.store.rows(COUNT, both.values)
        return int(number(found[0]["n"])) if found else 0

    async def service_rates(self, both: Windows, service: str) -> Read:
        return await self._read(RED, both, service=service)

    async def own_time(self, both: Windows, service: str, sample: int) -> Read:
        return await self._read(SELF, both, service=service, sample=sample)

    async def versions(self, both: Windows, service: str) -> Read:
        return await self._read(SEEN, both, service=service)

    async def operations(self, both: Windows, service: str) -> Read:
        return await self._read(OPERATIONS, both, service=service)

    async def calls(self, both: Windows, service: str, sample: int) -> Read:
        return await self._read(CALLS, both, service=service, sample=sample)

    async def unanswered(self, both: Windows, service: str, sample: int) -> Read:
        return await self._read(UNANSWERED, both, service=service, sample=sample)

    async def backends(self, both: Windows, service: str) -> Read:
        return await self._read(BACKENDS, both, service=service)

    async def paths(self, both: Windows, service: str, sample: int) -> Read:
        return await self._read(PATHS, both, service=service, sample=sample)

    async def exceptions(self, both: Windows, service: str) -> Read:
        return await self._read(EXCEPTIONS, both, service=service)

    async def trace_spans(self, trace_id: str, now_s: int) -> Read:
        known = await self.store.rows(FIND, {"trace_id": trace_id})
        first, last = (int(number(known[0][k])) for k in ("first", "last")) if known else (0, 0)
        # Without a summary the last day is searched: a bound, because an unbounded search reads the whole store.
        if not first:
            first, last = now_s - _DAY_S, now_s
        values: dict[str, Value] = {"trace_id": trace_id, "from_s": first, "to_s": last + 3600}
        return Read(await self.store.rows(SPANS_OF, values))

    async def alerts(self, from_s: int, to_s: int) -> Read:
        rows = await self._of_rules(STATES, {"from_s": from_s, "to_s": to_s})
        return Read(instances(rows, from_s), ("SigNoz's store keeps no severity, threshold or summary of an alert",))

    async def rule(self, rule_id: str) -> Read:
        rows = await self._of_rules(RULE, {"rule_id": rule_id})
        made = [
            {
                "rule_id": rule_id,
                "name": row["name"],
                "severity": "",
                "kind": "",
                "condition": "",
                "filter": "",
                "group_by": [],
                "labels": {},
                "disabled": False,
            }
            for row in rows
            if row["name"] or number(row["n"])
        ]
        return Read(
            made, ("the condition of a rule is not in SigNoz's store; RCA_SIGNOZ_URL and an API key would show it",)
        )

    async def rule_history(self, rule_id: str, from_s: int, to_s: int) -> Read:
        rows = await self._of_rules(HISTORY, {"rule_id": rule_id, "from_s": from_s, "to_s": to_s})
        return Read(timeline(rows))

    async def _of_rules(self, query: Query, values: dict[str, Value]) -> list[dict[str, object]]:
        try:
            return await self.store.rows(query, values)
        except ToolFailure as failure:
            if failure.info.code != "UNSUPPORTED":
                raise
            raise ToolFailure(
                "UNSUPPORTED",
                "this store has no history of alert states (signoz_analytics.distributed_rule_state_history_v0)",
                hint="set RCA_SIGNOZ_URL and RCA_SIGNOZ_API_KEY so that alerts are read from SigNoz itself",
                backend_status=failure.info.backend_status,
            ) from failure
