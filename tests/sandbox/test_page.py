"""The page in a real browser, against the real workspace with a real Bolt app behind it.

What a person sees follows what the bot posts; what a person does reaches the bot; what a stranger wrote stays text.
"""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import expect

from sandbox.workspace.server import Workspace


def _material(name: str) -> ModuleType:
    """A module beside this one; tests are not a package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


kit, pages, samples, fixtures = (_material(f"page_{name}") for name in ("kit", "gallery", "fixture", "seat"))
browser, seat = fixtures.browser, fixtures.seat
pytestmark = fixtures.MARKS


async def alert(seat: Any) -> str:
    payload = {"attachments": [{"color": "danger", "title": "[FIRING:1] KubePodCrashLooping", "text": "checkout"}]}
    return str((await seat.workspace.post_as_app("Alertmanager", "#alerts", payload))["ts"])


def plan(*states: str) -> list[dict[str, Any]]:
    tasks = [kit.task(f"s{n}", f"Step {n}", state, kit.rich(f"found {n}")) for n, state in enumerate(states)]
    return [{"type": "plan", "title": "Investigating checkout", "tasks": tasks}]


async def states(seat: Any) -> list[str | None]:
    return [await one.get_attribute("aria-label") for one in await seat.thread.locator(".task .task-state").all()]


async def test_an_alert_and_its_thread_appear_by_themselves(seat: Any) -> None:
    root = await alert(seat)
    await expect(seat.channel.locator(".attachment-title")).to_have_text("[FIRING:1] KubePodCrashLooping")
    await expect(seat.channel.locator(".head .name")).to_have_text("Alertmanager")
    await expect(seat.thread).to_be_hidden()
    await seat.bot.post(thread_ts=root, blocks=plan("in_progress", "pending"))
    await expect(seat.thread.locator(".plan-title")).to_have_text("Investigating checkout")
    await expect(seat.channel.locator(".thread-count")).to_have_text("1 reply")


async def test_a_plan_shows_the_state_of_each_step_and_folds_when_it_is_done(seat: Any) -> None:
    root = await alert(seat)
    card = await seat.bot.post(thread_ts=root, blocks=plan("complete", "error", "in_progress", "pending"))
    await expect(seat.thread.locator(".task")).to_have_count(4)
    assert await states(seat) == ["done", "failed", "running", "waiting"]
    await expect(seat.thread.locator(".plan-count")).to_have_text("2 of 4")
    await seat.bot.edit(card, blocks=plan("complete", "error", "complete", "complete"))
    await expect(seat.thread.locator(".plan-count")).to_have_text("4 of 4")
    await seat.thread.locator(".plan-head").click()
    await expect(seat.thread.locator(".plan-tasks")).to_be_hidden()
    await seat.bot.edit(card, blocks=[*plan("complete", "error", "complete", "complete"), kit.context("9 s")])
    await expect(seat.thread.get_by_text("9 s")).to_be_visible()
    await expect(seat.thread.locator(".plan-tasks")).to_be_hidden()  # what a person folded stays folded


HOSTILE = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
ELSEWHERE = "http://evil.example/pixel.png"


async def test_what_a_stranger_writes_stays_text_and_calls_nobody(seat: Any) -> None:
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
        channel=kit.ALERTS, filename="evil.md", content=f"{HOSTILE}\n![p]({ELSEWHERE})", snippet_type="markdown"
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


async def test_a_button_a_menu_and_feedback_reach_the_bot(seat: Any) -> None:
    option = {"text": kit.plain("Something else"), "value": "other"}
    select = {
        "type": "static_select",
        "action_id": "cause",
        "placeholder": kit.plain("What was it?"),
        "options": [option],
    }
    confirm = {
        "title": kit.plain("Sure?"),
        "text": kit.text("It only *reads*."),
        "confirm": kit.plain("Yes"),
        "deny": kit.plain("No"),
    }
    buttons = [kit.button("Stop", "stop"), kit.button("Approve", "approve", confirm=confirm), select]
    await seat.bot.post(blocks=[{"type": "actions", "elements": buttons}, kit.FEEDBACK])
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


async def test_a_form_is_checked_here_and_by_the_bot_and_then_closes(seat: Any) -> None:
    await seat.bot.post(blocks=[{"type": "actions", "elements": [kit.button("Tell", "open_form")]}])
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


async def test_writing_mentions_and_commands(seat: Any) -> None:
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


async def test_a_sample_is_posted_with_one_click(seat: Any) -> None:
    button = seat.page.locator(".rail-sample[title^=Alertmanager]").first
    await button.click()
    await expect(seat.channel.locator(".message").first).to_be_visible()
    posted = await seat.workspace.wait_for(lambda: seat.workspace.channel_messages("#alerts"))
    await expect(seat.channel.locator(".message")).to_have_count(len(posted))
    assert all("Alertmanager" in str(one.get("username") or one["bot_profile"]["name"]) for one in posted)


async def test_a_streamed_answer_grows_and_its_cursor_goes(seat: Any) -> None:
    root = await alert(seat)
    await seat.bot.client.assistant_threads_setStatus(channel_id=kit.ALERTS, thread_ts=root, status="is reading logs")
    await seat.channel.get_by_title("Reply in thread").first.focus()
    await seat.channel.get_by_title("Reply in thread").first.press("Enter")
    await expect(seat.thread.locator(".status")).to_contain_text("RCA is reading logs")
    stream = await seat.bot.client.chat_stream(
        channel=kit.ALERTS, thread_ts=root, recipient_team_id="T0SANDBOX", recipient_user_id="U0DANA", buffer_size=1
    )
    await stream.append(markdown_text="The **index build** ")
    await expect(seat.thread.locator(".cursor")).to_have_count(1)
    await expect(seat.thread.locator(".md b")).to_have_text("index build")
    await stream.append(markdown_text="is still running.")
    await stream.stop()
    await expect(seat.thread.locator(".cursor")).to_have_count(0)
    await expect(seat.thread.locator(".message").last).to_contain_text("The index build is still running.")
    await expect(seat.thread.locator(".status")).to_have_text("")


async def test_a_report_file_is_previewed_unfolded_and_downloaded(seat: Any) -> None:
    await seat.bot.client.files_upload_v2(
        channel=kit.ALERTS, filename="report.md", content=samples.REPORT, snippet_type="markdown"
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


async def test_every_kind_of_block_is_drawn(seat: Any) -> None:
    kinds = set()
    for message in pages.gallery():
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


async def test_a_data_table_sorts_numbers_as_numbers_and_turns_pages(seat: Any) -> None:
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


async def test_an_unknown_block_is_named_not_dropped(seat: Any) -> None:
    told = await seat.page.evaluate("""async () => {
      const { blocks } = await import('/static/blocks.js');
      const scene = { directory: { user: () => '' }, memory: new Map() };
      return blocks([{ type: 'constructor' }, { type: 'hologram' }, null], scene).map((node) => node.textContent);
    }""")
    assert told == [
        "block of type constructor is not drawn by this page",
        "block of type hologram is not drawn by this page",
    ]


async def test_a_permalink_opens_the_thread_it_points_into(seat: Any) -> None:
    old, new = await alert(seat), await alert(seat)
    reply = await seat.bot.post(thread_ts=old, text="the older thread")
    await seat.bot.post(thread_ts=new, text="the newer thread")
    answer = await seat.bot.client.chat_getPermalink(channel=kit.ALERTS, message_ts=reply)
    await seat.page.goto(answer["permalink"])
    await expect(seat.thread.locator(".message").last).to_contain_text("the older thread")


async def test_after_a_lost_connection_the_page_catches_up(seat: Any) -> None:
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
