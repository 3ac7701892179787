"""Log patterns: what varies is masked, a status is not; names with many values are one pattern, names with few stay apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_servers.common.masks import mask
from mcp_servers.common.template_merge import MANY, merged
from mcp_servers.common.templates import lines, mine


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("GET /api/orders/123 took 450 ms", "GET /api/orders/<n> took <n> ms"),
        ("upstream answered 503 Service Unavailable", "upstream answered 503 Service Unavailable"),
        ("status=404 code: 500 HTTP/1.1 502", "status=404 code: 500 HTTP/<n> 502"),
        ("server.go:512 attempt 487 of 5", "server.go:<n> attempt <n> of <n>"),
        ("at 2026-11-22T06:59:00.123Z from 10.0.0.1:41234", "at <ts> from <ip>"),
        ("2026-11-22 06:59:00 done", "<ts> done"),
        ("id f3d4d4ef-693b-4456-8eed-59c0d717dd08, trace 49a51828322183eb20bfe4ace3060000.", "id <uuid>, trace <hex>."),
        ("pod checkout-7d9f8c6b5-x8k2p is gone", "pod checkout-<pod> is gone"),
        ("could not open 'a b': can't", "could not open <str>: can't"),
        ("train Z1236 v2 utf8 0xdeadbeef -5", "train Z<n> v2 utf8 <hex> <n>"),
    ],
)
def test_what_varies_is_masked(line: str, masked: str) -> None:
    assert mask(line) == masked


@given(st.text(max_size=300))
def test_masking_settles_and_survives_anything(text: str) -> None:
    once = mask(text)
    assert mask(once) in (once, mask(mask(once)))


def test_a_hostile_line_takes_no_time() -> None:
    for text in ("a" * 600, "1" * 600, "'" * 600, "0-" * 300, "a1" * 300, ":" * 600, "f" * 599 + "g", "<n> " * 150):
        mask(text)


def test_many_names_are_one_pattern_and_few_stay_apart() -> None:
    users = [f"user {name} logged in from the office" for name in ("ann", "bob", "cyd", "dan", "eve")]
    (pattern,) = mine(lines(users))
    assert (pattern.template, pattern.count) == ("user <*> logged in from the office", 5)
    few = [f"connection to {name} was refused" for name in ("orders", "ledger", "payments")][: MANY - 1]
    assert len(mine(lines(few))) == len(few)
    assert len(mine(lines(["orders failed", "ledger failed", "cart failed", "mail failed"]))) == 4


def test_lines_that_share_only_their_masks_are_not_merged() -> None:
    texts = [
        f"<ts> INFO {a} trace <hex> span <hex> {b}"
        for a, b in (("load", "x"), ("save", "y"), ("send", "z"), ("stop", "q"))
    ]
    assert merged(texts) == {}


@given(st.lists(st.text(alphabet="abc <n>", max_size=30), max_size=60, unique=True))
def test_merging_names_only_what_it_was_given(texts: list[str]) -> None:
    names = merged(texts)
    assert set(names) <= set(texts)
    for text, name in names.items():
        assert len(name.split(" ")) == len(text.split(" "))
        assert all(b in (a, "<*>") for a, b in zip(text.split(" "), name.split(" "), strict=True))
