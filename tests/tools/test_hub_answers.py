"""Whatever a server answers becomes bounded, redacted evidence with its untrusted parts named."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.types import CallToolResult, ImageContent, TextContent
from pydantic import Field

from bot.settings import ServerSettings
from bot.tools.answers import Answer, read, redact_long
from bot.tools.inventory import ToolInfo
from mcp_servers.common.envelope import Envelope, Ref, Signal, ToolFailure, Window, compact, fail, ok

OWN = ServerSettings(name="own")
FOREIGN = ServerSettings(name="web", transport="http", url="http://x", max_bytes=4_000)
UNTRUSTED = ServerSettings(name="web", transport="http", url="http://x", untrusted=True)
INFO = ToolInfo(name="own.t", server="own", tool="t", signals=("k8s.pod.oom_killed",))
OOM = Signal(code="k8s.pod.oom_killed", severity="critical", subject="Pod/shop/a", detail="killed at 512Mi")


class Pods(Envelope):
    pods: list[dict[str, Any]] = Field(default_factory=list)


def text(body: str, *, error: bool = False) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=body)], is_error=error)


def structured(payload: dict[str, Any]) -> CallToolResult:
    return CallToolResult(content=[], structured_content=payload)


def envelope(**more: Any) -> CallToolResult:
    fields: dict[str, Any] = {
        "summary": "1 pod, 1 killed",
        "signals": [OOM],
        "notes": ["only the newest pod"],
        "window": Window(start="2026-11-22T03:00:00Z", end="2026-11-22T03:10:00Z", seconds=600),
        "untrusted": ["pods[].message"],
        "refs": [Ref(id="k8s:Pod/shop/a", url="https://signoz.example/pod/a")],
        "pods": [{"name": "a", "message": "hello"}],
    }
    return ok(Pods(**{**fields, **more}))


def test_an_envelope_keeps_its_meaning() -> None:
    answer = read(envelope(), settings=OWN, info=INFO)
    assert answer.ok
    assert answer.summary == "1 pod, 1 killed"
    assert answer.signals == (OOM,)
    assert answer.notes == ("only the newest pod",)
    assert answer.window is not None
    assert answer.window.seconds == 600
    assert answer.tainted == ("pods[].message",)
    assert answer.link == "https://signoz.example/pod/a"
    assert answer.data["pods"][0]["name"] == "a"
    assert "Pod/shop/a: killed at 512Mi" in answer.text


def test_an_untrusted_server_gives_no_signals_and_is_tainted_throughout() -> None:
    answer = read(envelope(), settings=UNTRUSTED, info=INFO)
    assert answer.signals == ()
    assert answer.tainted == ("*",)
    assert any("signals left out" in note for note in answer.notes)


def test_a_server_outside_may_emit_only_what_its_tool_declared() -> None:
    undeclared = ToolInfo(name="web.t", server="web", tool="t")
    assert read(envelope(), settings=FOREIGN, info=undeclared).signals == ()
    assert read(envelope(), settings=FOREIGN, info=INFO).signals == (OOM,)


@pytest.mark.parametrize(
    "bad", [{"code": "k8s.made.up", "severity": "critical", "subject": "x"}, {"code": 5}, "text", None]
)
def test_a_signal_outside_the_catalogue_is_left_out_and_told(bad: Any) -> None:
    answer = read(structured({"summary": "s", "signals": [bad]}), settings=OWN, info=INFO)
    assert answer.signals == ()
    assert answer.notes


def test_foreign_json_is_read_from_text_and_tainted() -> None:
    answer = read(text('{"pods": [{"name": "a"}]}'), settings=FOREIGN, info=INFO)
    assert answer.data == {"pods": [{"name": "a"}]}
    assert answer.tainted == ("*",)
    lines = read(text('{"a": 1}\n{"a": 2}'), settings=FOREIGN, info=INFO)
    assert lines.data == [{"a": 1}, {"a": 2}]


def test_foreign_prose_keeps_its_beginning_and_end_and_says_what_went() -> None:
    body = "first line\n" + "x y z\n" * 5_000 + "last line"
    answer = read(text(body), settings=FOREIGN, info=INFO)
    assert answer.text.startswith("first line")
    assert answer.text.endswith("last line")
    assert len(answer.text.encode()) <= FOREIGN.max_bytes
    assert answer.truncated
    assert any("were cut" in note for note in answer.notes)


def test_an_empty_answer_says_so() -> None:
    answer = read(text(""), settings=FOREIGN, info=INFO)
    assert answer.summary == "empty answer"
    assert any("without saying why" in note for note in answer.notes)


def test_parts_that_are_no_text_are_told() -> None:
    image = ImageContent(type="image", data="aGk=", mime_type="image/png")
    answer = read(CallToolResult(content=[TextContent(type="text", text="hi"), image]), settings=FOREIGN, info=INFO)
    assert any("no text" in note for note in answer.notes)


SECRETS = [
    "mongodb://root:hunter2hunter2@db:27017",
    "password=correcthorsebattery",
    "Authorization: Bearer abcdef0123456789abcdef",
    "AKIAABCDEFGHIJKLMNOP",
    "xoxb-" + "1234567890-abcdefghij",
    "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIabc\n" * 400 + "-----END RSA PRIVATE KEY-----",
]
LEAKS = [
    "hunter2hunter2",
    "correcthorsebattery",
    "abcdef0123456789abcdef",
    "AKIAABCDEFGHIJKLMNOP",
    "1234567890-abcdefghij",
    "MIIabc",
]


@pytest.mark.parametrize("at", [0, 1, 7_900, 7_990, 8_001, 16_000])
def test_no_secret_survives_wherever_it_stands_in_a_long_text(at: int) -> None:
    for secret, leak in zip(SECRETS, LEAKS, strict=True):
        assert leak not in redact_long("word " * (at // 5) + " " + secret + "\n" + "tail " * 3_000), secret[:20]


def test_the_rest_of_a_key_whose_head_was_cut_off_does_not_survive() -> None:
    assert "MIIabc" not in redact_long("MIIabc\nMIIabc\n-----END RSA PRIVATE KEY-----\nafter")


@pytest.mark.parametrize(
    "wrap", [text, lambda s: text(json.dumps({"a": [s]})), lambda s: structured({"deep": {"x": s}})]
)
def test_no_secret_survives_in_any_shape_of_answer(wrap: Any) -> None:
    for secret, leak in zip(SECRETS, LEAKS, strict=True):
        answer = read(wrap(secret), settings=FOREIGN, info=INFO)
        assert leak not in repr(answer), secret[:20]


def test_values_of_keys_that_name_a_secret_go() -> None:
    answer = read(structured({"env": {"DB_PASSWORD": "plainwords", "secretName": "db-creds"}}), settings=OWN, info=INFO)
    assert answer.data["env"] == {"DB_PASSWORD": "[redacted]", "secretName": "db-creds"}


def test_our_own_failure_keeps_its_code_hint_and_missing_permission() -> None:
    failure = ToolFailure(
        "FORBIDDEN", "may not list pods", hint="bind the role", missing_permission="list pods in shop"
    )
    answer = read(fail(failure.info), settings=OWN, info=INFO)
    assert answer.error == failure.info


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("1 validation error for echo\nfield required", "VALIDATION"),
        ("Unknown tool: x", "NOT_FOUND"),
        ("boom", "UPSTREAM"),
        ("", "UPSTREAM"),
    ],
)
def test_a_foreign_failure_becomes_one_redacted_line(message: str, code: str) -> None:
    answer = read(text(f"{message} password=correcthorsebattery", error=True), settings=FOREIGN, info=INFO)
    assert answer.error is not None
    assert answer.error.code == code
    assert "\n" not in answer.error.message
    assert "correcthorse" not in answer.error.message


def test_a_huge_or_deep_answer_is_bounded_and_told() -> None:
    deep: Any = "bottom"
    for _ in range(400):
        deep = {"x": deep}
    answer = read(structured({"deep": deep, "many": list(range(100_000))}), settings=FOREIGN, info=INFO)
    assert answer.truncated
    assert answer.notes
    assert len(compact(answer.data).encode()) <= FOREIGN.max_bytes


foreign_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=30,
)
envelope_like = st.fixed_dictionaries(
    {"summary": st.text(max_size=400)},
    optional=dict.fromkeys(
        ("signals", "notes", "window", "truncated", "untrusted", "refs", "partial", "extra"), foreign_json
    ),
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=12), foreign_json, max_size=5) | envelope_like, st.booleans())
def test_any_structure_becomes_a_bounded_answer(payload: dict[str, Any], untrusted: bool) -> None:
    answer = read(structured(payload), settings=UNTRUSTED if untrusted else FOREIGN, info=INFO)
    assert isinstance(answer, Answer)
    assert len(answer.summary) <= 240
    assert answer.tainted or "summary" in payload


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=3_000), st.booleans())
def test_any_text_becomes_a_bounded_answer(body: str, error: bool) -> None:
    answer = read(text(body, error=error), settings=FOREIGN, info=INFO)
    assert answer.ok is not error
    assert len(answer.text.encode("utf-8", "replace")) <= FOREIGN.max_bytes
