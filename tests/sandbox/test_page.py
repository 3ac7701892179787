"""The page in a real browser, against the real workspace with a real Bolt app behind it.

What a person sees follows what the bot posts; what a person does reaches the bot; what a stranger wrote stays text.
"""

import importlib.util
import re
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.async_api import Browser, Page, async_playwright, expect
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace.samples import load_samples
from sandbox.workspace.server import Workspace

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"no Chromium at {CHROMIUM}; install the chromium package"),
    pytest.mark.asyncio(loop_scope="module"),
]


def _fixture() -> ModuleType:
    spec = importlib.util.spec_from_file_location("page_fixture", Path(__file__).with_name("page_fixture.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


samples = _fixture()


class Bot:
    """A Bolt app that posts what a test tells it to and notes what it hears."""

    def __init__(self, workspace: Workspace) -> None:
        self.client = AsyncWebClient(token=workspace.bot_token, base_url=workspace.api_url)
        self.app = AsyncApp(client=self.client)
        self.actions: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.submitted: list[dict[str, Any]] = []
        self.app.event(re.compile(".*"))(self._event)
        self.app.command("/rca")(self._command)
        self.app.action("open_form")(self._open)
        self.app.action(re.compile(".*"))(self._action)
        self.app.view(re.compile(".*"))(self._view)
        self.handler = AsyncSocketModeHandler(self.app, workspace.app_token)

    async def _event(self, event: dict[str, Any]) -> None:
        if event.get("client_msg_id") or event["type"] == "app_mention":
            self.said.append(f"{event['type']}: {event['text']}")

    async def _command(self, ack: Any, command: dict[str, Any]) -> None:
        await ack(f"*heard* `{command['text']}`")

    async def _open(self, ack: Any, body: dict[str, Any]) -> None:
        await ack()
        view = {**samples.MODAL["view"], "callback_id": "form"}
        await self.client.views_open(trigger_id=body["trigger_id"], view=view)

    async def _action(self, ack: Any, body: dict[str, Any]) -> None:
        await ack()
        self.actions.append(body["actions"][0])

    async def _view(self, ack: Any, view: dict[str, Any]) -> None:
        values = view["state"]["values"]
        if "?" in values["words"]["words"]["value"]:
            await ack(response_action="errors", errors={"words": "No questions here."})
            return
        self.submitted.append(values)
        await ack()

    async def post(self, **message: Any) -> str:
        answer = await self.client.chat_postMessage(channel=samples.ALERTS, **{"text": "a message", **message})
        return str(answer["ts"])

    async def edit(self, ts: str, **message: Any) -> None:
        await self.client.chat_update(channel=samples.ALERTS, ts=ts, **{"text": "a message", **message})


class Seat:
    """One browser window on one workspace. ``asked``: every address that the page requested; ``dialogs``: alert() and the like."""

    def __init__(self, page: Page, workspace: Workspace, bot: Bot) -> None:
        self.page, self.workspace, self.bot = page, workspace, bot
        self.asked: list[str] = []
        self.trouble: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("dialog", lambda dialog: self.trouble.append(f"dialog: {dialog.message}"))
        self.thread = page.locator(".pane-thread")
        self.channel = page.locator(".pane-channel")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def seat(browser: Browser) -> AsyncIterator[Seat]:
    async with Workspace(rate_limits=False) as workspace:
        bot = Bot(workspace)
        await bot.client.auth_test()
        await bot.handler.connect_async()
        await workspace.connected()
        context = await browser.new_context(viewport={"width": 1440, "height": 900})
        seat = Seat(await context.new_page(), workspace, bot)
        await seat.page.goto(workspace.page_url)
        await expect(seat.page.locator(".rail-item", has_text="alerts")).to_be_visible()
        yield seat
        await context.close()
        await bot.handler.close_async()
    assert seat.trouble == []


async def alert(seat: Seat) -> str:
    payload = {"attachments": [{"color": "danger", "title": "[FIRING:1] KubePodCrashLooping", "text": "checkout"}]}
    return str((await seat.workspace.post_as_app("Alertmanager", "#alerts", payload))["ts"])


def plan(*states: str) -> list[dict[str, Any]]:
    tasks = [samples.task(f"s{n}", f"Step {n}", state, samples.rich(f"found {n}")) for n, state in enumerate(states)]
    return [{"type": "plan", "title": "Investigating checkout", "tasks": tasks}]


async def states(seat: Seat) -> list[str | None]:
    return [await one.get_attribute("aria-label") for one in await seat.thread.locator(".task .task-state").all()]


async def test_an_alert_and_its_thread_appear_by_themselves(seat: Seat) -> None:
    root = await alert(seat)
    await expect(seat.channel.locator(".attachment-title")).to_have_text("[FIRING:1] KubePodCrashLooping")
    await expect(seat.channel.locator(".head .name")).to_have_text("Alertmanager")
    await expect(seat.thread).to_be_hidden()
    await seat.bot.post(thread_ts=root, blocks=plan("in_progress", "pending"))
    await expect(seat.thread.locator(".plan-title")).to_have_text("Investigating checkout")
    await expect(seat.channel.locator(".thread-count")).to_have_text("1 reply")


async def test_a_plan_shows_the_state_of_each_step_and_folds_when_it_is_done(seat: Seat) -> None:
    root = await alert(seat)
    card = await seat.bot.post(thread_ts=root, blocks=plan("complete", "error", "in_progress", "pending"))
    await expect(seat.thread.locator(".task")).to_have_count(4)
    assert await states(seat) == ["done", "failed", "running", "waiting"]
    await expect(seat.thread.locator(".plan-count")).to_have_text("2 of 4")
    await seat.bot.edit(card, blocks=plan("complete", "error", "complete", "complete"))
    await expect(seat.thread.locator(".plan-count")).to_have_text("4 of 4")
    await seat.thread.locator(".plan-head").click()
    await expect(seat.thread.locator(".plan-tasks")).to_be_hidden()
    await seat.bot.edit(card, blocks=[*plan("complete", "error", "complete", "complete"), samples.context("9 s")])
    await expect(seat.thread.get_by_text("9 s")).to_be_visible()
    await expect(seat.thread.locator(".plan-tasks")).to_be_hidden()  # what a person folded stays folded


HOSTILE = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
ELSEWHERE = "http://evil.example/pixel.png"


async def test_what_a_stranger_writes_stays_text_and_calls_nobody(seat: Seat) -> None:
    payload = {
        "text": f"{HOSTILE} <javascript:window.hacked=1|press me> <http://evil.example/a|a link>",
        "attachments": [
            {"title": HOSTILE, "title_link": "javascript:window.hacked=1", "image_url": ELSEWHERE, "color": "red;x:y"}
        ],
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": HOSTILE}},
            {"type": "markdown", "text": f"# {HOSTILE}\n[x](javascript:window.hacked=1) ![pixel]({ELSEWHERE})"},
            {"type": "image", "image_url": ELSEWHERE, "alt_text": HOSTILE},
            {
                "type": "rich_text",
                "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": HOSTILE}]}],
            },
        ],
    }
    plain = {"text": payload["text"], "username": HOSTILE, "icon_url": ELSEWHERE}
    await seat.workspace.post_as_app("SigNoz", "#alerts", payload)
    await seat.workspace.post_as_app("Alertmanager", "#alerts", plain)
    await seat.bot.client.files_upload_v2(
        channel=samples.ALERTS, filename="evil.md", content=f"{HOSTILE}\n![p]({ELSEWHERE})", snippet_type="markdown"
    )
    await expect(seat.channel.locator(".message")).to_have_count(3)
    await expect(seat.channel.locator(".file-body")).to_contain_text("<script>")
    shown = await seat.channel.inner_text()
    assert shown.count(HOSTILE) >= 6
    found = await seat.page.evaluate(
        """() => ({
          hacked: window.hacked ?? null,
          live: document.querySelectorAll('.list script, .list img, .list iframe, .list [onerror]').length,
          hrefs: [...document.querySelectorAll('.list a[href]')].map((a) => [a.getAttribute('href'), a.rel]),
        })"""
    )
    assert found["hacked"] is None
    assert found["live"] == 0
    assert ["http://evil.example/a", "noreferrer noopener"] in found["hrefs"]
    outward = [(href, rel) for href, rel in found["hrefs"] if not href.startswith("/ui/file/")]
    assert all(href.startswith("http") and rel == "noreferrer noopener" for href, rel in outward)
    home = urlsplit(seat.workspace.page_url).netloc
    assert {urlsplit(url).netloc for url in seat.asked if not url.startswith("data:")} == {home}


async def test_a_button_a_menu_and_feedback_reach_the_bot(seat: Seat) -> None:
    option = {"text": samples.plain("Something else"), "value": "other"}
    select = {
        "type": "static_select",
        "action_id": "cause",
        "placeholder": samples.plain("What was it?"),
        "options": [option],
    }
    confirm = {
        "title": samples.plain("Sure?"),
        "text": samples.text("It only *reads*."),
        "confirm": samples.plain("Yes"),
        "deny": samples.plain("No"),
    }
    buttons = [samples.button("Stop", "stop"), samples.button("Approve", "approve", confirm=confirm), select]
    await seat.bot.post(blocks=[{"type": "actions", "elements": buttons}, samples.FEEDBACK])
    await seat.channel.get_by_role("button", name="Stop").click()
    await seat.workspace.wait_for(lambda: [one["action_id"] for one in seat.bot.actions] == ["stop"])
    await seat.channel.get_by_role("button", name="Approve").click()
    await seat.page.get_by_role("button", name="No", exact=True).click()
    await seat.channel.get_by_role("button", name="This was not the cause").click()
    await expect(seat.channel.get_by_role("button", name="This was not the cause")).to_have_attribute(
        "aria-pressed", "true"
    )
    await seat.channel.get_by_role("button", name="What was it?").click()
    await seat.page.get_by_role("menuitem", name="Something else").click()
    await expect(seat.channel.locator(".select-label")).to_have_text("Something else")
    told = [(one["action_id"], one.get("value") or one["selected_option"]["value"]) for one in seat.bot.actions]
    assert told == [("stop", "run-1"), ("rca_feedback", "down"), ("cause", "other")]


async def test_a_form_is_checked_here_and_by_the_bot_and_then_closes(seat: Seat) -> None:
    await seat.bot.post(blocks=[{"type": "actions", "elements": [samples.button("Tell", "open_form")]}])
    await seat.channel.get_by_role("button", name="Tell").click()
    form = seat.page.get_by_role("dialog")
    await form.get_by_role("button", name="Send").click()
    await expect(form.locator(".has-error")).to_have_count(2)
    await form.get_by_label("Another cause").check()
    await form.locator("textarea").fill("really?")
    await form.get_by_role("button", name="Send").click()
    await expect(form.get_by_text("No questions here.")).to_be_visible()
    await expect(form.locator("textarea")).to_have_value("really?")
    await form.locator("textarea").fill("the index build")
    await form.get_by_role("button", name="Send").click()
    await expect(form).to_have_count(0)
    [values] = seat.bot.submitted
    assert values["words"]["words"]["value"] == "the index build"
    assert values["kind"]["kind"]["selected_option"]["value"] == "other"
    assert values["team"]["team"]["selected_option"] is None


async def test_writing_mentions_and_commands(seat: Seat) -> None:
    root = await alert(seat)
    await seat.bot.post(thread_ts=root)
    write = seat.channel.get_by_role("textbox")
    await write.fill("/rca st")
    await write.press("Tab")
    await expect(write).to_have_value("/rca status")
    await write.press("Enter")
    await expect(seat.channel.locator(".is-ephemeral")).to_contain_text("heard status")
    await expect(seat.channel.get_by_text("Only visible to you")).to_be_visible()
    reply = seat.thread.get_by_role("textbox")
    await reply.fill("/rca status")
    await reply.press("Enter")
    await expect(seat.page.locator(".notice")).to_contain_text("do not work in threads")
    await reply.fill("@rca what changed <here> & *there*?")
    await reply.press("Enter")
    await expect(seat.thread.locator(".message").last).to_contain_text("@rca what changed <here> &")
    await seat.workspace.wait_for(lambda: any(one.startswith("app_mention") for one in seat.bot.said))
    assert seat.workspace.thread("#alerts", root)[-1]["text"].endswith("what changed &lt;here&gt; &amp; *there*?")


async def test_a_sample_is_posted_with_one_click(seat: Seat) -> None:
    offered = load_samples()
    name, sample = next((name, one) for name, one in offered.items() if one.sender == "Alertmanager")
    await seat.page.locator(f'[data-sample="{name}"]').click()
    await expect(seat.channel.locator(".message")).to_have_count(len(sample.messages))
    assert len(seat.workspace.channel_messages(sample.channel)) == len(sample.messages)


async def test_a_streamed_answer_grows_and_its_cursor_goes(seat: Seat) -> None:
    root = await alert(seat)
    await seat.bot.client.assistant_threads_setStatus(
        channel_id=samples.ALERTS, thread_ts=root, status="is reading logs"
    )
    await seat.channel.get_by_title("Reply in thread").first.focus()
    await seat.channel.get_by_title("Reply in thread").first.press("Enter")
    await expect(seat.thread.locator(".status")).to_contain_text("RCA is reading logs")
    stream = await seat.bot.client.chat_stream(
        channel=samples.ALERTS, thread_ts=root, recipient_team_id="T0SANDBOX", recipient_user_id="U0DANA", buffer_size=1
    )
    await stream.append(markdown_text="The **index build** ")
    await expect(seat.thread.locator(".cursor")).to_have_count(1)
    await expect(seat.thread.locator(".md b")).to_have_text("index build")
    await stream.append(markdown_text="is still running.")
    await stream.stop()
    await expect(seat.thread.locator(".cursor")).to_have_count(0)
    await expect(seat.thread.locator(".message").last).to_contain_text("The index build is still running.")
    await expect(seat.thread.locator(".status")).to_have_text("")


async def test_a_report_file_is_previewed_unfolded_and_downloaded(seat: Seat) -> None:
    await seat.bot.client.files_upload_v2(
        channel=samples.ALERTS, filename="report.md", content=samples.REPORT, snippet_type="markdown"
    )
    file = seat.channel.locator(".file")
    await expect(file.locator("h2")).to_have_text("checkout crashes: key PAYMENT_URL is missing")
    await expect(file.locator("tbody tr")).to_have_count(3)
    await file.locator(".file-more").click()
    await expect(file.get_by_text("03:12:02 alert")).to_be_visible()
    await file.get_by_role("button", name="Source").click()
    await expect(file.locator("pre")).to_contain_text("| E1 | 14 restarts")
    async with seat.page.expect_download() as waiting:
        await file.get_by_role("link", name="Download report.md").click()
    path = await (await waiting.value).path()
    assert path.read_text().strip() == samples.REPORT.strip()


async def test_every_kind_of_block_is_drawn(seat: Seat) -> None:
    kinds = set()
    for message in samples.gallery():
        blocks = [block for block in message.get("blocks", []) if block["type"] != "something_new"]
        if blocks:
            await seat.bot.post(blocks=blocks)
            kinds |= {block["type"] for block in blocks}
    await expect(seat.channel.locator(".context-actions")).to_be_visible()
    drawn = await seat.page.evaluate(
        "[...document.querySelectorAll('.block')].map((n) => [...n.classList].find((c) => /^block-/.test(c)))"
    )
    assert {f"block-{kind}" for kind in kinds} <= set(drawn)
    await expect(seat.page.locator(".unknown")).to_have_count(0)
    charts = seat.page.locator(".chart")
    await expect(charts.nth(0).locator("rect.bar")).to_have_count(14)
    await expect(charts.nth(1).locator("path.fill")).to_have_count(1)
    await expect(charts.nth(2).locator("path.slice")).to_have_count(3)


async def test_a_data_table_sorts_numbers_as_numbers_and_turns_pages(seat: Seat) -> None:
    rows = [[{"type": "raw_text", "text": head} for head in ("Service", "5xx")]]
    rows += [
        [{"type": "raw_text", "text": f"s{n}"}, {"type": "raw_number", "value": n, "text": str(n)}]
        for n in (9, 100, 30, 4)
    ]
    await seat.bot.post(blocks=[{"type": "data_table", "caption": "Errors", "page_size": 3, "rows": rows}])
    column = seat.channel.locator(".data-table tbody tr td:last-child")
    await expect(column).to_have_text(["9", "100", "30"])
    await seat.channel.get_by_role("button", name="5xx").click()
    await expect(column).to_have_text(["4", "9", "30"])
    await seat.channel.get_by_role("button", name="Next page").click()
    await expect(column).to_have_text(["100"])
    await expect(seat.channel.locator(".pager")).to_contain_text("4–4 of 4")


async def test_an_unknown_block_is_named_not_dropped(seat: Seat) -> None:
    told = await seat.page.evaluate("""async () => {
      const { blocks } = await import('/static/blocks.js');
      const scene = { directory: { user: () => '' }, memory: new Map() };
      return blocks([{ type: 'constructor' }, { type: 'hologram' }, null], scene).map((node) => node.textContent);
    }""")
    assert told == [
        "block of type constructor is not drawn by this page",
        "block of type hologram is not drawn by this page",
    ]


async def test_after_a_lost_connection_the_page_catches_up(seat: Seat) -> None:
    await alert(seat)
    await expect(seat.channel.locator(".message")).to_have_count(1)
    port = seat.workspace.port
    await seat.bot.handler.close_async()
    await seat.workspace.stop()
    await expect(seat.page.locator("body")).to_have_class(re.compile("is-offline"))
    async with Workspace(port=port) as again:
        await again.post_as_user("dana", "#alerts", "said while nobody listened")
        await expect(seat.channel.locator(".message")).to_have_text(
            [re.compile("said while nobody listened")], timeout=20_000
        )
        await expect(seat.page.locator("body")).not_to_have_class(re.compile("is-offline"))


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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def blank(browser: Browser) -> AsyncIterator[Page]:
    """A page of the workspace on which the readers of text can be called."""
    async with Workspace() as workspace:
        page = await browser.new_page()
        await page.goto(workspace.page_url)
        yield page
        await page.close()


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
