"""Blocks that hold data: table, data_table, data_visualization."""

from typing import Any

from sandbox.workspace.blocks.objects import ID
from sandbox.workspace.blocks.rich import RICH_TEXT
from sandbox.workspace.blocks.rules import (
    Problems,
    Rule,
    anything,
    array,
    boolean,
    by_type,
    integer,
    number,
    one_of,
    record,
    string,
)

RAW_TEXT = record({"type": one_of("raw_text"), "text": string()})
RAW_NUMBER = record({"type": one_of("raw_number"), "value": number}, {"text": string()})
CELL = by_type({"raw_text": RAW_TEXT, "raw_number": RAW_NUMBER, "rich_text": RICH_TEXT}, "not a table cell")
COLUMN = record(optional={"align": one_of("left", "center", "right"), "is_wrapped": boolean})
TABLE_CHARACTERS = 10_000
DATA_TABLE_CHARACTERS = 20_000


def characters(value: Any) -> int:
    """How many characters of text a table (or any block) holds."""
    total, pending = 0, [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            text = item.get("text")
            total += len(text) if isinstance(text, str) else 0
            pending.extend(entry for entry in item.values() if isinstance(entry, dict | list))
        elif isinstance(item, list):
            pending.extend(item)
    return total


def _same_width(most_characters: int) -> Rule:
    def rule(value: dict[str, Any], pointer: str, problems: Problems) -> None:
        rows = value.get("rows")
        if not isinstance(rows, list) or not rows or not all(isinstance(row, list) for row in rows):
            return
        if any(len(row) != len(rows[0]) for row in rows):
            problems.add(f"{pointer}/rows", "all rows must have the same number of cells")
        if characters(rows) > most_characters:
            problems.add(f"{pointer}/rows", f"must be less than {most_characters + 1} characters in all cells")

    return rule


def _data_table(value: dict[str, Any], pointer: str, problems: Problems) -> None:
    _same_width(DATA_TABLE_CHARACTERS)(value, pointer, problems)
    rows = value.get("rows")
    head = rows[0] if isinstance(rows, list) and rows else None
    for index, cell in enumerate(head if isinstance(head, list) else []):
        if isinstance(cell, dict) and cell.get("type") == "rich_text":
            problems.add(f"{pointer}/rows/0/{index}", "rich_text is not allowed in a header cell")


def _chart(value: dict[str, Any], pointer: str, problems: Problems) -> None:
    """Every point of a series must be named by one of the shared categories, and the other way round."""
    axis, series = value.get("axis_config"), value.get("series")
    categories = axis.get("categories") if isinstance(axis, dict) else None
    if not isinstance(categories, list) or not isinstance(series, list):
        return
    for index, entry in enumerate(series):
        points = entry.get("data") if isinstance(entry, dict) else None
        labels = [point.get("label") for point in points if isinstance(point, dict)] if isinstance(points, list) else []
        if labels != categories:
            problems.add(f"{pointer}/series/{index}/data", "labels must match axis_config categories")


LABEL = string(20, 1)
POINT = record({"label": LABEL, "value": number})
SERIES = record({"name": LABEL, "data": array(POINT, 20)})
AXIS = record({"categories": array(LABEL, 20)}, {"x_label": string(50), "y_label": string(50)})
XY_CHART = record(
    {"type": one_of("line", "bar", "area"), "series": array(SERIES, 12), "axis_config": AXIS}, also=_chart
)
PIE_CHART = record({"type": one_of("pie"), "segments": array(POINT, 12)})
CHART = by_type({"line": XY_CHART, "bar": XY_CHART, "area": XY_CHART, "pie": PIE_CHART}, "not a chart")

DATA: dict[str, Rule] = {
    "table": record(
        {"type": one_of("table"), "rows": array(array(CELL, 20), 100)},
        {"column_settings": array(anything, 20, 0), "block_id": ID},
        also=_same_width(TABLE_CHARACTERS),
    ),
    "data_table": record(
        {
            "type": one_of("data_table"),
            "caption": string(least=1),
            "rows": array(array(CELL, 20), 201, 2),
        },
        {"page_size": integer(1, 100), "row_header_column_index": integer(0, 19), "block_id": ID},
        also=_data_table,
    ),
    "data_visualization": record(
        {"type": one_of("data_visualization"), "title": string(50, 1), "chart": CHART}, {"block_id": ID}
    ),
}
