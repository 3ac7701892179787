"""A rule's condition in one plain sentence: what is measured, of what, beyond which value, how often, in which time."""

from typing import Any

from mcp_servers.common.untrusted import clean

_OPS = {
    **dict.fromkeys(("1", "above", ">"), "above"),
    **dict.fromkeys(("2", "below", "<"), "below"),
    **dict.fromkeys(("3", "equal", "eq", "=", "=="), "equal to"),
    **dict.fromkeys(("4", "not_equal", "not_eq", "!="), "other than"),
    **dict.fromkeys(("5", "above_or_equal", "above_or_eq", ">="), "at or above"),
    **dict.fromkeys(("6", "below_or_equal", "below_or_eq", "<="), "at or below"),
    **dict.fromkeys(("7", "outside_bounds"), "outside of plus or minus"),
}
_MATCHES = {
    **dict.fromkeys(("1", "atleast_once"), "at least once"),
    **dict.fromkeys(("2", "all_the_times"), "all the time"),
    **dict.fromkeys(("3", "on_average", "avg"), "on average"),
    **dict.fromkeys(("4", "in_total", "sum"), "in total"),
    **dict.fromkeys(("5", "last"), "at the last point"),
}
_WHAT = {"logs": "log lines", "traces": "spans", "metrics": ""}


def as_dict(value: Any) -> dict[str, Any]:
    """``value`` when it is an object, else an empty one: rules come from several versions and from files."""
    return value if isinstance(value, dict) else {}


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none of anything else."""
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def sentence(rule: dict[str, Any], queries: list[dict[str, Any]]) -> str:
    """``rule`` as SigNoz's API gives it, with its ``queries``; "" when nothing of it can be read."""
    condition = as_dict(rule.get("condition"))
    thresholds = dicts(as_dict(condition.get("thresholds")).get("spec"))
    if not thresholds and condition.get("target") is not None:
        thresholds = [condition]
    if not queries and not thresholds:
        return ""
    chosen = str(condition.get("selectedQueryName") or "")
    query = next(
        (q for q in queries if chosen and chosen in (q.get("name"), q.get("queryName"))), queries[0] if queries else {}
    )
    said = measured(query)
    beyond = [_beyond(t) for t in thresholds[:3]]
    first = thresholds[0] if thresholds else {}
    match = _MATCHES.get(str(first.get("matchType", "")), "")
    evaluation = as_dict(as_dict(rule.get("evaluation")).get("spec"))
    window = _duration(str(evaluation.get("evalWindow") or rule.get("evalWindow") or ""))
    words = [said, " or ".join(b for b in beyond if b)]
    tail = [match, f"in {window}" if window else ""]
    text = " ".join(w for w in words if w)
    text += f", {' '.join(t for t in tail if t)}" if any(tail) else ""
    if condition.get("alertOnAbsent"):
        absent = condition.get("absentFor")
        text += f"; also without data for {absent} min" if absent else "; also without data"
    return clean(text, 400)


def measured(query: dict[str, Any]) -> str:
    """What one query measures: "p99 of duration_nano of spans where service.name = 'x', by k8s.pod.name"."""
    if "query" in query and not query.get("aggregations"):
        return (
            "a query of its own (not shown)"
            if not str(query["query"]).strip()
            else f"query {clean(query['query'], 120)}"
        )
    if query.get("expression") and not query.get("aggregations") and not query.get("aggregateOperator"):
        return f"formula {clean(query['expression'], 80)}"
    signal = str(query.get("signal") or query.get("dataSource") or "")
    parts = []
    for one in dicts(query.get("aggregations")):
        if one.get("metricName"):
            how = " ".join(str(one[k]) for k in ("spaceAggregation", "timeAggregation") if one.get(k))
            parts.append(f"{how} of {one['metricName']}".strip().removeprefix("of "))
        elif one.get("expression"):
            parts.append(str(one["expression"]))
    if not parts and query.get("aggregateOperator"):
        parts.append(f"{query['aggregateOperator']}({as_dict(query.get('aggregateAttribute')).get('key', '')})")
    text = ", ".join(parts) or "a value"
    text += f" of {_WHAT[signal]}" if _WHAT.get(signal) else ""
    where = str(as_dict(query.get("filter")).get("expression") or "")
    text += f" where {where}" if where else ""
    groups = [str(g.get("name") or g.get("key") or "") for g in dicts(query.get("groupBy"))]
    return text + (f", by {', '.join(groups)}" if groups else "")


def _beyond(threshold: dict[str, Any]) -> str:
    target, op = threshold.get("target"), _OPS.get(str(threshold.get("op", "")), "")
    if target is None:
        return ""
    try:
        shown = f"{float(target):g}"
    except (TypeError, ValueError):
        return ""
    unit = str(threshold.get("targetUnit") or "")
    name = str(threshold.get("name") or "")
    return " ".join(w for w in (op, shown, unit, f"({name})" if name else "") if w)


def _duration(text: str) -> str:
    """Go's ``5m0s`` as ``5m``."""
    short = text
    for tail in ("0s", "0m"):
        if short.endswith(tail) and len(short) > 2 and not short[-3].isdigit():
            short = short.removesuffix(tail)
    return short
