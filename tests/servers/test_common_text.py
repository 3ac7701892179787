"""Foreign text on its way out: redaction, sanitising, templates, sizes. Secrets go, evidence stays, nothing breaks."""

import json
import string
import time
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mcp_servers.common.redaction import Redactor, redact, redact_tree, redactor
from mcp_servers.common.shrink import shrink, size
from mcp_servers.common.templates import lines, mine, read_line, template
from mcp_servers.common.untrusted import clean, cut, sanitise, sanitise_tree

# -- secrets go ------------------------------------------------------------------------------------------------------------------

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----", "MIIabc"),
        ("-----BEGIN PRIVATE KEY-----\nMIIcutoff", "MIIcutoff"),
        (f"got {JWT} from", JWT),
        ("postgres://app:s3cret@db:5432/x", "s3cret"),
        ("redis://:s3cret@cache:6379", "s3cret"),
        ("root:s3cret@tcp(db:3306)/shop", "s3cret"),
        ("Authorization: Bearer abc.def-123456789", "abc.def-123456789"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("cookie: session=deadbeef; theme=dark", "deadbeef"),
        ("X-Api-Key: plainword", "plainword"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI/K7MDENG"),
        ("ghp_0123456789abcdefghijklmnopqrstuvwxyz", "ghp_0123456789"),
        ("xoxb-1234567890-abcdefghij", "xoxb-1234567890"),
        ("https://hooks.slack.com/services/T0/B0/abcdef", "abcdef"),
        ("sk-abcdefghijklmnopqrstuvwx", "sk-abcdefghij"),
        ("password=hunter2", "hunter2"),
        ('{"password": "hunter 2 with spaces"}', "hunter 2 with spaces"),
        ('"{\\"password\\":\\"hunter2\\"}"', "hunter2"),
        ("DB_PASSWORD: swordfish", "swordfish"),
        ("mysql --password hunter2 --host db", "hunter2"),
        ("token=abc123def", "abc123def"),
        ("api-key: 'abcdefgh'", "abcdefgh"),
        ("mail jane.doe@example.com now", "jane.doe@example.com"),
        ("card 4111 1111 1111 1111 declined", "4111 1111 1111 1111"),
        ("pass\u200bword=hunter2", "hunter2"),
    ],
)
def test_secrets_go(text: str, secret: str) -> None:
    assert secret not in clean(text, 4000, multiline=True)


@pytest.mark.parametrize(
    "text",
    [
        "trace 4bf92f3577b34da6a3ce929d0e0e4736 span 00f067aa0ba902b7",
        "image shop/app@sha256:b0125be448f9eb042214fec6eebda79a900a1a4c307f8e1bdb56f35e403969dd",
        "pod checkout-7d9f8c6b5-x8k2p on 10.42.0.9:8443 exit code 137",
        'secret "checkout-db" not found',
        "couldn't find key password in Secret shop/db",
        "invalid token: expected ',' or '}'",
        "refused for lack of credentials: the tag is wrong",
        "Basic authentication required",
        "serial 1234567890123456 of disk",
        "exceeded quota: memory-quota, requested: requests.memory=64Mi",
        "https://grafana.example.com/d/abc?from=now-1h",
    ],
)
def test_evidence_stays(text: str) -> None:
    assert redact(text) == text


ALPHABET = string.ascii_letters + string.digits


@given(st.text(max_size=200), st.text(ALPHABET, min_size=8, max_size=40), st.text(max_size=200))
def test_a_password_pair_goes_whatever_surrounds_it(before: str, secret: str, after: str) -> None:
    assume(secret not in f"{before} password=[redacted] {after}")
    assert secret not in redact(f"{before} password={secret} {after}")


@given(st.text(max_size=3000))
def test_redaction_never_fails_and_is_settled_after_one_pass(text: str) -> None:
    once = redact(text)
    assert redact(once) == once
    assert len(once) <= max(len(text) * 12, 12)


@pytest.mark.parametrize(
    "hostile",
    [
        "password=" * 20_000,
        "a" * 200_000,
        "eyJ" * 50_000,
        "a@" * 50_000,
        "1 " * 50_000,
        "://" * 50_000,
        '"' * 100_000,
        "-----BEGIN " * 9_000,
    ],
)
def test_hostile_text_costs_little_time(hostile: str) -> None:
    began = time.process_time()
    clean(hostile)
    template(hostile)
    assert time.process_time() - began < 0.5


def test_trees_are_redacted_by_key_and_by_pattern() -> None:
    tree = {
        "DB_PASSWORD": "x",
        "labels": {"apiKey": ["a", "b"]},
        "secretName": "checkout-db",
        "text": "password=hunter2",
        "tokens": "120",
        "deep": [{"authorization": "Bearer x"}],
        "n": 7,
    }
    assert redact_tree(tree) == {
        "DB_PASSWORD": "[redacted]",
        "labels": {"apiKey": ["[redacted]", "[redacted]"]},
        "secretName": "checkout-db",
        "text": "password=[redacted]",
        "tokens": "120",
        "deep": [{"authorization": "[redacted]"}],
        "n": 7,
    }


def test_marks_show_equality_and_nothing_else() -> None:
    one, other = redactor(hash_key="k"), redactor(hash_key="l")
    assert one.hashed("v") == one.hashed("v") != one.hashed("w")
    assert one.hashed("v") != other.hashed("v")
    assert "v" not in one.hashed("vvvv")[1:] or len(one.hashed("v")) == 9


def test_an_operators_pattern_counts_and_a_broken_one_is_refused() -> None:
    assert redactor(extra=["ACME-[0-9]+"]).text("id ACME-42") == "id [redacted]"
    with pytest.raises(ValueError, match="RE2"):
        Redactor(extra=("(?<=x)y",))


# -- what cannot be seen goes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "link"),
        ("safe\u202etxt.exe", "safetxt.exe"),
        ("pass\u200bword", "password"),
        ("a\x00b\x07c", "abc"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("tab\tnew\nline", "tab\tnew\nline"),
        ("\ud800", "\ufffd"),
        ("naïve 日本語 🚀", "naïve 日本語 🚀"),
    ],
)
def test_what_cannot_be_seen_goes(text: str, shown: str) -> None:
    assert sanitise(text) == shown


@given(st.text(max_size=500))
def test_sanitised_text_stays_so_and_is_json(text: str) -> None:
    once = sanitise(text)
    assert sanitise(once) == once
    json.dumps(once).encode("utf-8")
    assert not any(ord(c) < 32 and c not in "\n\t" for c in once)


@given(st.text(max_size=5000), st.integers(1, 400))
def test_cut_keeps_its_limit(text: str, limit: int) -> None:
    assert len(cut(text, limit)) <= limit or limit < 3
    assert "\n" not in clean(text, limit)


def test_a_cut_cannot_split_a_secret_out_of_its_pattern() -> None:
    text = "x" * 280 + " password=hunter2hunter2"
    for limit in range(20, 320, 7):
        assert "hunter2" not in clean(text, limit)


def test_trees_are_sanitised_with_their_keys() -> None:
    assert sanitise_tree({"a\u200b": ["b\x07", 1, None]}) == {"a": ["b", 1, None]}


# -- templates -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("took 15 ms", "took 2301 ms"),
        ("pod checkout-7d9f8c6b5-x8k2p died", "pod checkout-7d9f8c6b5-zzzzz died"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "id 550e8400-e29b-41d4-a716-446655440001"),
        ('user "ann" logged in', 'user "bob" logged in'),
        ("from 10.0.0.1:41234", "from 10.0.0.2:8"),
        ("worker-1 up", "worker-22 up"),
    ],
)
def test_lines_that_differ_in_what_varies_share_a_template(one: str, two: str) -> None:
    assert template(one) == template(two)


@pytest.mark.parametrize(
    ("one", "two"), [("status 500", "status 404"), ("cart failed", "checkout failed"), ("v1 api", "v2 api")]
)
def test_lines_that_differ_in_what_matters_do_not(one: str, two: str) -> None:
    assert template(one) != template(two)


@pytest.mark.parametrize(
    ("raw", "level", "text"),
    [
        ('{"level":"error","msg":"boom","err":"disk"}', "error", "boom: disk"),
        ('{"severity":"INFO","message":"error rate is 0"}', "other", "error rate is 0"),
        ("2026-11-22T06:59:00Z WARN slow", "warning", "WARN slow"),
        ("2026-11-22 06:59:00.123 ERROR bad", "error", "ERROR bad"),
        ("E1122 06:59:00.1 1 main.go:1] x", "error", "E1122 06:59:00.1 1 main.go:1] x"),
        ("level=info msg=ok errors=0", "other", "level=info msg=ok errors=0"),
        ("com.shop.CartException: x", "error", "com.shop.CartException: x"),
        ("{not json", "other", "{not json"),
    ],
)
def test_level_and_message_of_a_line(raw: str, level: str, text: str) -> None:
    line = read_line(raw)
    assert (line.level, line.text) == (level, text)


def test_a_time_without_a_zone_is_not_believed() -> None:
    assert read_line("2026-11-22 06:59:00 x").at is None
    at = read_line("2026-11-22T06:59:00.123456789Z x").at
    assert at is not None
    assert at.isoformat().startswith("2026-11-22T06:59:00.123456")


@given(st.text(max_size=2000))
def test_any_text_can_be_mined(text: str) -> None:
    patterns = mine(lines(text))
    assert sum(p.count for p in patterns) == len(list(lines(text)))
    assert all(template(p.template) is not None and len(p.sample) <= 240 for p in patterns)


# -- sizes -----------------------------------------------------------------------------------------------------------------------

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=10), inner, max_size=8),
    max_leaves=60,
)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.text(max_size=10), TREES, max_size=8), st.integers(200, 3000))
def test_shrinking_always_fits_is_settled_and_leaves_its_input(tree: dict[str, Any], limit: int) -> None:
    before = json.dumps(tree)
    small, notes = shrink(tree, limit)
    assert size(small) <= limit
    assert json.dumps(tree) == before
    assert shrink(small, limit) == (small, [])
    assert bool(notes) == (small is not tree)


def test_lists_lose_their_tails_and_signals_go_last() -> None:
    data = {
        "summary": "s",
        "signals": [{"code": f"c{i}"} for i in range(6)],
        "pods": [{"name": f"pod-{i}"} for i in range(500)],
    }
    small, notes = shrink(data, 1000)
    assert len(small["signals"]) == 6
    assert small["pods"] == data["pods"][: len(small["pods"])]
    assert notes == [f"pods: the first {len(small['pods'])} of 500 are shown"]
