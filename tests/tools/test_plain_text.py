"""What a foreign server says in text becomes structure where it plainly is one, and stays text where it is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.tools.plain_text import MAX_ROWS, structure

YAML = "# The following events (YAML format) were found:\n- Reason: BackOff\n  Count: 3\n- Reason: Pulled\n"
KUBECTL = "NAME          READY   LAST STATE\ncheckout-0    0/1     OOMKilled\norders-1      1/1\n"
MARKDOWN = "| Table | Rows |\n|---|---:|\n| orders | 12 |\n| ledger | 7 |"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (YAML, [{"Reason": "BackOff", "Count": 3}, {"Reason": "Pulled"}]),
        ("```yaml\nkind: Pod\n```", {"kind": "Pod"}),
        ("apiVersion: v1\nkind: Pod", {"apiVersion": "v1", "kind": "Pod"}),
        (
            KUBECTL,
            [
                {"name": "checkout-0", "ready": "0/1", "last_state": "OOMKilled"},
                {"name": "orders-1", "ready": "1/1", "last_state": ""},
            ],
        ),
        (MARKDOWN, [{"table": "orders", "rows": "12"}, {"table": "ledger", "rows": "7"}]),
    ],
)
def test_what_is_plainly_a_structure_is_read(text: str, found: Any) -> None:
    assert structure(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "error: no such host",  # YAML, but nobody meant it
        "ERROR  connection refused\nERROR  connection refused",  # capitals, but no heading
        "NAME  STATE\nthis line runs over its column",
        "| not | a table |\nwithout its rule",
        "---\n[[[[",
        "--- \nhello: world",
        "# yaml\n" + "a: &x [*x]",
    ],
)
def test_prose_stays_prose(text: str) -> None:
    found = structure(text)
    assert found is None or isinstance(found, list | dict)
    assert not (text.startswith("error") and found)
    assert not (text.startswith(("ERROR", "NAME", "|")) and found)


def test_yaml_that_would_run_code_or_swell_does_neither() -> None:
    assert structure("# yaml\nx: !!python/object/apply:os.system ['true']") is None
    assert structure("# yaml\n" + "a" * 200_000) is None
    many = "A  B\n" + "1  2\n" * (MAX_ROWS * 2)
    assert len(structure(many)) == MAX_ROWS


@given(st.text(max_size=400))
def test_any_text_is_survived(text: str) -> None:
    for shaped in (text, f"# yaml\n{text}", f"A  B\n{text}", f"|a|\n|-|\n{text}"):
        found = structure(shaped)
        assert found is None or isinstance(found, list | dict)
