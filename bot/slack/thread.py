"""`SlackThread`: where an investigation is seen. One reaction, one card, one file, in the thread of the alert and nowhere else."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from slack_sdk.errors import SlackApiError

from bot.incidents.ids import investigation_id
from bot.incidents.model import GatheredRecord
from bot.incidents.store import Store
from bot.investigation.model import Progress, Report
from bot.observe.metrics import METRICS, Metrics
from bot.runtime.contracts import Work
from bot.slack import cards, reactions
from bot.slack.answers import Answers
from bot.slack.clients import Clients
from bot.slack.errors import AWAY, GONE, as_delivery, code_of
from bot.slack.joined import Joined, appendix, linked, part_of
from bot.slack.message import Message
from bot.slack.pace import Pace
from bot.slack.posts import Posts
from bot.slack.writer import CardWriter

log = structlog.get_logger(__name__)

CARD = "card"
FILE = "file"
LINE = "line"

MARKS_PER_MINUTE = 45.0  # Slack allows 50 reactions a minute; a storm's marks take their time
MANY_STORMS = 200
IN_FILE = 200


@dataclass
class Card:
    """A card in the making: its writer, once it is posted; the state to show first, until then."""

    work: Work
    writer: CardWriter | None = None
    waiting: Message | None = None
    progress: Progress | None = None
    greeted: bool = False


class SlackThread:
    """Implements `bot.runtime.contracts.Thread`. ``render_file`` gives the full report as Markdown."""

    def __init__(
        self,
        store: Store,
        clients: Clients,
        *,
        render_file: Callable[[Report], str],
        edit_interval_s: float = 3.0,
        edits_per_minute: float = 40.0,
        link_hosts: Sequence[str] = (),
        metrics: Metrics = METRICS,
    ) -> None:
        self.clients = clients
        self._metrics = metrics
        self.posts = Posts(store, clients)
        self._render_file = render_file
        self._interval = edit_interval_s
        self._links = tuple(link_hosts)
        self._pace = Pace(edits_per_minute)
        self._cards: dict[str, Card] = {}
        self._joined: dict[str, Joined] = {}
        self._marks = Pace(MARKS_PER_MINUTE)
        self._answers = Answers(self.posts, clients, link_hosts)

    def identify(self, bot_id: str) -> None:
        """Our own bot id, known after ``auth.test``."""
        self.posts.bot_id = bot_id

    # -- the contract -----------------------------------------------------------------------------------------------------------

    async def opened(self, work: Work, investigation: str) -> None:
        """👀 on the alert and the card in its thread; for a question the beginning of the answer. Failures are logged."""
        if work.kind == "question":
            await self._answers.opened(work, investigation)
            return
        card = self._cards.setdefault(investigation, Card(work))
        if card.writer is not None:
            return
        first = Progress(
            investigation=investigation, stage="accepted", alert=work.alerts[0], started_at=work.received_at
        )
        eyes = None if card.greeted else asyncio.create_task(reactions.looking(self.clients, work.channel, work.ts))
        card.greeted = True
        try:
            ts, new = await self.posts.once(investigation, CARD, work.channel, root(work), cards.progress_card(first))
        except (SlackApiError, *AWAY) as error:
            log.warning("card_not_posted", error=str(as_delivery(error, work.channel, doing="Posting the card")))
        else:
            self._attach(card, ts)
            if new:
                self._metrics.first_sign_seconds.observe(
                    max(0.0, (datetime.now(UTC) - work.received_at).total_seconds())
                )
        if eyes is not None:
            await eyes

    def progress(self, work: Work, progress: Progress) -> None:
        card = self._cards.setdefault(progress.investigation, Card(work))
        card.progress = progress
        message = cards.progress_card(progress, self._joined.get(progress.investigation))
        if card.writer is None:
            card.waiting = message
        else:
            card.writer.show(message)

    async def finished(self, work: Work, report: Report) -> None:
        await self._conclude(work, cards.verdict_card(report, self._joined.get(report.id)))
        await self._upload(work, report)
        await reactions.done(self.clients, work.channel, work.ts, again=work.key.startswith("run:"))
        self._close(work)

    async def stopped(self, work: Work, progress: Progress, by: str) -> None:
        await self._conclude(work, cards.stopped_card(progress, by))
        await reactions.gone(self.clients, work.channel, work.ts)
        self._close(work)

    async def failed(self, work: Work, message: str) -> None:
        name = work.alerts[0].name if work.alerts else ""
        await self._conclude(work, cards.failed_card(investigation_id(work.key), name, message))
        await reactions.trouble(self.clients, work.channel, work.ts)
        self._close(work)

    async def folded(self, work: Work, channel: str, ts: str, *, because: str, quiet: bool) -> None:
        """🔗 and, unless many did so before, one line that leads to the investigation and a button to investigate it apart."""
        await self._marks.take()
        if quiet:
            await reactions.linked(self.clients, work.channel, work.ts)
            return
        try:
            permalink = str((await self.clients.patient.chat_getPermalink(channel=channel, message_ts=ts))["permalink"])
            message = part_of(permalink, because, investigation_id(work.key))
            await self.posts.once(investigation_id(work.key), LINE, work.channel, root(work), message)
        except (SlackApiError, *AWAY) as error:
            raise as_delivery(error, work.channel, doing="Pointing to the running investigation") from error
        await reactions.linked(self.clients, work.channel, work.ts)

    async def gathered(self, work: Work, gathered: GatheredRecord, report: Report | None) -> None:
        """One line on the card: how many joined, the first few with links."""
        try:
            joined = await linked(self.clients, gathered, home=work.channel, hosts=self._links)
            self._remember(gathered.investigation, joined)
            card = self._cards.get(gathered.investigation)
            if report is not None:
                await self.posts.final(report.id, CARD, work.channel, root(work), cards.verdict_card(report, joined))
            elif card is not None and card.progress is not None:
                self.progress(work, card.progress)
        except (SlackApiError, *AWAY) as error:
            raise as_delivery(error, work.channel, doing="Adding the alerts that joined to the card") from error

    def _remember(self, investigation: str, joined: Joined) -> None:
        self._joined.pop(investigation, None)
        self._joined[investigation] = joined
        while len(self._joined) > MANY_STORMS:
            del self._joined[next(iter(self._joined))]

    async def answered(self, work: Work, text: str, evidence: tuple[str, ...]) -> None:
        await self._answers.answered(work, investigation_id(work.key), text, evidence)

    async def close(self) -> None:
        """Ends the writers; what they had not shown is shown by whoever resumes the work."""
        for card in self._cards.values():
            if card.writer is not None:
                await card.writer.close()
        self._cards.clear()

    # -- the card ---------------------------------------------------------------------------------------------------------------

    def _attach(self, card: Card, ts: str) -> None:
        if card.writer is not None:
            return
        channel = card.work.channel

        async def edit(message: Message, *, final: bool) -> None:
            await self.clients.edit(channel, ts, message, final=final)

        card.writer = CardWriter(edit, self._pace, interval_s=self._interval)
        if card.waiting is not None:
            card.writer.show(card.waiting)
            card.waiting = None

    async def _conclude(self, work: Work, message: Message) -> None:
        """The final state on the card; a card that was never posted or is gone is posted now. Raises `DeliveryError`."""
        investigation = investigation_id(work.key)
        card = self._cards.setdefault(investigation, Card(work))
        try:
            if card.writer is None:
                ts, new = await self.posts.once(investigation, CARD, work.channel, root(work), message)
                if new:
                    return
                self._attach(card, ts)
            assert card.writer is not None
            try:
                await card.writer.conclude(message)
            except SlackApiError as error:
                if code_of(error) not in GONE:
                    raise
                ts = await self.clients.post(work.channel, root(work), message, run=investigation, kind=CARD)
                await self.posts.store.posted(investigation, CARD, work.channel, ts)
        except (SlackApiError, *AWAY) as error:
            raise as_delivery(error, work.channel, doing="Posting the verdict") from error

    def _close(self, work: Work) -> None:
        investigation = investigation_id(work.key)
        self._cards.pop(investigation, None)
        self.posts.forget(investigation)

    # -- the file ---------------------------------------------------------------------------------------------------------------

    async def _upload(self, work: Work, report: Report) -> None:
        """The full report, once. An upload that may have happened before a crash is looked for by the id in its title."""
        store = self.posts.store
        title = f"Full report {report.id}"
        try:
            before = await store.claim(report.id, FILE, work.channel)
            if before is not None and (before.ts or await self._uploaded(work, report.id, title)):
                return
            answer = await self.clients.posting.files_upload_v2(
                channel=work.channel,
                thread_ts=root(work),
                filename=file_name(report),
                title=title,
                content=self._render_file(report) + await self._appendix(report.id),
                snippet_type="markdown",
            )
        except SlackApiError as error:
            trouble = as_delivery(error, work.channel, doing="Uploading the report")
            if not trouble.permanent:
                raise trouble from error
            log.warning("report_file_not_posted", error=str(trouble))  # the verdict stands on the card
        except AWAY as error:
            raise as_delivery(error, work.channel, doing="Uploading the report") from error
        else:
            files = answer.get("files") or [{}]
            await store.posted(report.id, FILE, work.channel, str(files[0].get("id") or "posted"))

    async def _appendix(self, investigation: str) -> str:
        """The alerts that joined, for the end of the file; "" when none did."""
        storms = self.posts.store.storms
        gathered = await storms.gathered(investigation)
        return appendix(gathered, await storms.joined(investigation, limit=IN_FILE)) if gathered is not None else ""

    async def _uploaded(self, work: Work, investigation: str, title: str) -> bool:
        async for reply in self.clients.replies(work.channel, root(work)):
            for file in reply.get("files") or []:
                if file.get("title") == title:
                    await self.posts.store.posted(investigation, FILE, work.channel, str(file.get("id") or "posted"))
                    return True
        return False


def root(work: Work) -> str:
    """The ts of the thread that the work is seen in."""
    return work.thread_ts or work.ts


def file_name(report: Report) -> str:
    """``rca-checkout-0312.md``: the object or the alert, and the time in UTC."""
    subject = report.causes[0].object.rsplit("/", 1)[-1] if report.causes else ""
    subject = subject or report.alert.workload.rsplit("/", 1)[-1] or report.alert.service or report.alert.name
    slug = re.sub(r"[^a-z0-9]+", "-", subject.lower())[:40].strip("-") or "report"
    return f"rca-{slug}-{report.started_at:%H%M}.md"
