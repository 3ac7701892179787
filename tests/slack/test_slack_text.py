"""Foreign text in Slack's markup: bounded, literal, harmless."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.slack.markdown import to_rich
from bot.slack.mrkdwn import allowed, code, escape, link, mention, quiet, shorten, tidy


@given(st.text(max_size=600), st.integers(1, 300))
def test_quiet_text_holds_nothing_that_slack_would_act_on(text, limit):
    shown = quiet(text, limit)
    assert "<" not in shown
    assert ">" not in shown
    assert not re.search(r"(?i)https?://", shown)
    assert not re.search(r"@(here|channel|everyone)\b", shown)
    assert "\n" not in shown
    assert not re.search(r"&(?!amp;|lt;|gt;)", shown)


@given(st.text(max_size=600), st.integers(0, 300))
def test_tidy_text_is_one_line_within_its_limit(text, limit):
    assert len(tidy(text, limit)) <= limit
    assert "\n" not in tidy(text, limit)


def test_text_is_cut_where_a_word_ends():
    assert shorten("the reference came with the rollout", 24) == "the reference came with…"
    assert shorten("short", 24) == "short"
    assert shorten("a" * 50, 10) == "a" * 9 + "…"


def test_escaping_is_slacks_three_characters():
    assert escape("a & b <c> d") == "a &amp; b &lt;c&gt; d"


@given(st.text(max_size=300))
def test_a_code_span_cannot_be_left(text):
    shown = code(text)
    assert shown.count("`") in {0, 2}


@pytest.mark.parametrize(
    ("url", "hosts", "fine"),
    [
        ("https://grafana.example/d/1", ("grafana.example",), True),
        ("https://GRAFANA.example/d/1", ("grafana.example",), True),
        ("https://a.grafana.example/", ("*.grafana.example",), True),
        ("https://grafana.example.evil.io/", ("grafana.example", "*.grafana.example"), False),
        ("https://evilgrafana.example/", ("*.grafana.example",), False),
        ("https://user:pw@grafana.example/", ("grafana.example",), False),
        ("https://grafana.example@evil.io/", ("grafana.example",), False),
        ("javascript:alert(1)//grafana.example", ("grafana.example",), False),
        ("https://grafana.example/|x>", ("grafana.example",), False),
        ("//grafana.example/", ("grafana.example",), False),
        ("https://[::1", ("grafana.example",), False),
        ("", ("",), False),
    ],
)
def test_links_go_to_listed_hosts_only(url, hosts, fine):
    assert allowed(url, hosts) is fine
    assert link(url, "title", hosts).startswith("<") is fine


@given(st.text(max_size=40))
def test_only_user_ids_are_mentioned(text):
    shown = mention(text)
    assert not shown.startswith("<") or re.fullmatch(r"<@[UW][A-Z0-9]+>", shown)


@given(st.text(max_size=2000))
def test_markdown_never_fails_and_never_mentions(text):
    for part in to_rich(text):
        assert part["type"] in {"rich_text_section", "rich_text_list", "rich_text_preformatted"}
        assert part["elements"]


def test_deeply_nested_markdown_is_no_attack():
    assert to_rich("> " * 5000 + "x")
    assert to_rich("[" * 5000)
    assert to_rich("- " * 3000)
