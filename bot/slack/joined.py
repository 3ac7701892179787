"""A storm in words: one line on the leader's card, one in the thread of each alert that joined, a list at the end of the file.

Names of alerts in other channels stay there: whoever reads the leader's card may not be a member of those, so they are only counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bot.incidents.model import GatheredRecord, JoinedRecord
from bot.slack import rich
from bot.slack.clients import Clients
from bot.slack.message import Block, Message
from bot.slack.mrkdwn import escape, quiet, shorten, tidy

SHOWN = 3
RERUN = "rca_rerun"


@dataclass(frozen=True)
class Joined:
    """What joined, with the addresses of the first few messages ("" where Slack gave none)."""

    gathered: GatheredRecord
    links: tuple[tuple[str, str], ...] = ()  # name, permalink
    hosts: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """``+12 alerts (4 places, newest 03:36 UTC): KubePodNotReady, … and 9 more``."""
        names = [tidy(name, 80) for name, _ in self.links]
        listed = f": {', '.join(names)}{self._rest}" if names else self._rest.removeprefix(",")
        return f"{self._head}{listed}"

    @property
    def _head(self) -> str:
        g = self.gathered
        facts = [f"{g.places} places"] if g.places > 1 else []
        facts += [f"{g.elsewhere} in other channels"] if g.elsewhere else []
        facts.append(f"newest {g.newest:%H:%M} UTC")
        return f"+{g.count} {'alert' if g.count == 1 else 'alerts'} ({', '.join(facts)})"

    @property
    def _rest(self) -> str:
        left = self.gathered.count - len(self.links)
        return f" and {left} more" if left > 0 and self.links else ""

    def line(self) -> rich.Part:
        """The same as rich text, with links."""
        leaves = rich.text(self._head, bold=True)
        for number, (name, url) in enumerate(self.links):
            leaves += rich.text(", " if number else ": ")
            leaves += rich.link(url, tidy(name, 80), self.hosts)
        return rich.section([*leaves, *rich.text(self._rest)])


async def linked(clients: Clients, gathered: GatheredRecord, *, home: str, hosts: Sequence[str]) -> Joined:
    """``gathered`` with the addresses of the first messages in the leader's own channel. Raises Slack's errors."""
    links, known = [], list(hosts)
    for joined in [j for j in gathered.first if j.channel == home][:SHOWN]:
        answer = await clients.patient.chat_getPermalink(channel=joined.channel, message_ts=joined.ts)
        url = str(answer.get("permalink") or "")
        known.append(urlsplit(url).hostname or "")  # Slack's own word on where its messages are
        links.append((joined.name, url))
    return Joined(gathered, tuple(links), tuple(dict.fromkeys(h for h in known if h)))


def part_of(permalink: str, because: str, investigation: str) -> Message:
    """The line in the thread of an alert that joined, and a button for those who know better."""
    why = f" ({quiet(because, 150)})" if because else ""
    text = f"Part of <{escape(permalink)}|the investigation that is running>{why}."
    section: Block = {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
    button: Block = {
        "type": "button",
        "action_id": RERUN,
        "text": {"type": "plain_text", "text": shorten("Investigate apart", 75), "emoji": False},
        "value": investigation,
    }
    return Message(text, [section, {"type": "actions", "elements": [button]}], Message(text))


def appendix(gathered: GatheredRecord, joined: Sequence[JoinedRecord]) -> str:
    """A section of the report's file in Markdown: when, what, about what, why it joined."""
    lines = ["", f"## Alerts that joined ({gathered.count})", ""]
    for one in joined:
        about = f" about {_plain(one.joining.place.said)}" if one.joining.place.said else ""
        lines.append(f"- {one.at:%H:%M:%S} UTC {_plain(one.name)}{about}: {_plain(one.because)}")
    if gathered.count > len(joined):
        lines.append(f"- and {gathered.count - len(joined)} more")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """A stranger's words as a code span: nothing in it is markup."""
    return f"`{tidy(text, 150).replace('`', chr(39))}`"
