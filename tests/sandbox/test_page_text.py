"""The page's readers of foreign text, in a real browser: nothing they are fed becomes more than text and safe links."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.async_api import Page


def _material(name: str) -> ModuleType:
    """A module beside this one; tests are not a package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


fixtures = [_material(f"page_{name}") for name in ("kit", "gallery", "seat")][-1]
browser, blank = fixtures.browser, fixtures.blank
pytestmark = fixtures.MARKS

READ = """async ([which, texts]) => {
  const { mrkdwn } = await import('/static/mrkdwn.js');
  const { markdown } = await import('/static/markdown.js');
  const directory = { user: () => '', channel: () => '', group: () => '', isMe: () => false };
  return texts.map((text) => {
    const from = performance.now();
    const box = document.createElement('div');
    box.append(...(which === 'mrkdwn' ? mrkdwn : markdown)(text, directory));
    const all = [...box.querySelectorAll('*')];
    return {
      ms: performance.now() - from,
      text: box.textContent,
      tags: [...new Set(all.map((n) => n.tagName.toLowerCase()))],
      handlers: all.flatMap((n) => n.getAttributeNames()).filter((name) => name.startsWith('on')),
      links: all.filter((n) => n.hasAttribute('href')).map((n) => n.getAttribute('href')),
    };
  });
}"""
TAGS = {
    "a",
    "b",
    "i",
    "s",
    "u",
    "code",
    "pre",
    "p",
    "div",
    "span",
    "time",
    "blockquote",
    "ul",
    "ol",
    "li",
    "hr",
    "h2",
    "h3",
    "h4",
    "h5",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "button",
    "svg",
    "path",
}
PIECES = st.sampled_from(
    [
        "*",
        "_",
        "~",
        "`",
        "```",
        "<",
        ">",
        "|",
        "&lt;",
        "&amp;",
        "[",
        "](",
        ")",
        "!",
        "#",
        "- ",
        "1. ",
        "> ",
        "\n",
        " ",
        "a",
        "word",
        ":fire:",
        "<http://x.example|",
        "<javascript:alert(1)|x>",
        "<!date^1^{time}|f>",
        "<@U1>",
        "|-|",
        "<img src=x onerror=y>",
        "\\",
        "﷽",
        "https://x.example/",
    ]
)
FOREIGN = st.one_of(st.lists(PIECES, max_size=40).map("".join), st.text(max_size=200))
WORDS = st.text(alphabet="ab c*_~`\n", max_size=80)


@pytest.mark.parametrize("which", ["mrkdwn", "markdown"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(FOREIGN, max_size=20))
async def test_no_text_makes_more_than_text_and_safe_links(blank: Page, which: str, texts: list[str]) -> None:
    for shown in await blank.evaluate(READ, [which, texts]):
        assert set(shown["tags"]) <= TAGS
        assert shown["handlers"] == []
        assert all(re.match("https?://", href) for href in shown["links"])


@pytest.mark.parametrize("which", ["mrkdwn", "markdown"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(WORDS, max_size=20))
async def test_no_word_is_lost_or_doubled_by_markup(blank: Page, which: str, texts: list[str]) -> None:
    if which == "markdown":  # what follows an opening fence names its language and is no text
        texts = [text for text in texts if not re.search(r"(?m)^ {0,3}(```|~~~).*[abc]", text)]
    for text, shown in zip(texts, await blank.evaluate(READ, [which, texts]), strict=True):
        assert re.sub(r"[^abc]", "", shown["text"]) == re.sub(r"[^abc]", "", text)


@pytest.mark.parametrize("which", ["mrkdwn", "markdown"])
async def test_a_long_hostile_text_is_read_in_one_go(blank: Page, which: str) -> None:
    seeds = [
        "*a ",
        "_",
        "`",
        "``",
        "<",
        "[",
        "](",
        "> ",
        "&gt;",
        "*a*b",
        "~ ~",
        "|-",
        "- ",
        "# ",
        "\\",
        "\t",
        " ",
        "```",
        "http://",
        "a|",
        "![",
        "***",
    ]
    texts = [(seed * 40_000)[:40_000] + "\n|x" for seed in seeds]
    shown = await blank.evaluate(READ, [which, texts])
    slow = {seed: one["ms"] for seed, one in zip(seeds, shown, strict=True) if one["ms"] > 10_000}  # quadratic: minutes
    assert slow == {}
