"""Looking at many texts at once takes the same secrets away as looking at each."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.alerts.clean import redacted, redacted_original, redacted_pairs
from mcp_servers.common.redaction import redact, redact_tree
from mcp_servers.common.untrusted import sanitise, sanitise_tree

PIECES = st.sampled_from(
    [
        *("password: ", "token=", "abc123", "secret: ", "not found", "Bearer ", "eyJhbGciOiJI.eyJzdWIiOiIx", "://", "https://bob:hunter2"),
        *("@db.example/x", "bob@example.com", "4111 1111 ", "1111 1111", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"),
        *("Authorization: ", "cookie", '"', "\n", " ", "--password ", "hunter2", "\x1e", "AKIA", "ABCDEFGHIJKLMNOP", "xoxb-1234567890-a"),
    ]
)  # fmt: skip
TEXT = st.lists(PIECES | st.text(max_size=4), max_size=6).map("".join)
KEYS = st.sampled_from(["password", "secretName", "pod", "text", "api_key", "url"])
JSON = st.recursive(
    TEXT | st.integers() | st.none(), lambda x: st.lists(x, max_size=4) | st.dictionaries(KEYS, x, max_size=4)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT.map(sanitise), max_size=6))
def test_texts(texts: list[str]) -> None:
    assert redacted(texts) == [redact(text) for text in texts]


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(KEYS, TEXT.map(sanitise), max_size=5))
def test_pairs(pairs: dict[str, str]) -> None:
    assert redacted_pairs(pairs) == redact_tree(pairs)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(KEYS, JSON, max_size=4))
def test_originals(raw: dict[str, Any]) -> None:
    assert redacted_original(raw) == redact_tree(sanitise_tree(raw))


def test_long_texts_are_looked_at_one_by_one() -> None:
    texts = ["a" * 9_000, "password: hunter2", "b"]
    assert redacted(texts) == [redact(text) for text in texts]
