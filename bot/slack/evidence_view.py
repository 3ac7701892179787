"""The modal behind "Show evidence": each call with its arguments, its summary and the beginning of its answer, a few to a page."""

import json
from collections.abc import Sequence
from typing import Any

from bot.investigation import wording
from bot.investigation.model import Report
from bot.slack import rich
from bot.slack.cards import context
from bot.slack.message import Block
from bot.slack.mrkdwn import shorten, tidy
from bot.tools.evidence import Evidence

PAGE = "rca_evidence_page"
PER_PAGE = 5
MAX_BODY = 1200


def evidence_view(report: Report, page: int, hosts: Sequence[str] = ()) -> dict[str, Any]:
    """Page ``page`` (from 0; beyond the end is the last one) as a modal view."""
    pages = max(1, -(-len(report.evidence) // PER_PAGE))
    page = min(max(page, 0), pages - 1)
    shown = report.evidence[page * PER_PAGE : (page + 1) * PER_PAGE]
    blocks: list[Block] = [context(f"{report.alert.name} · {len(report.evidence)} calls · page {page + 1} of {pages}")]
    for evidence in shown:
        blocks += [{"type": "divider"}, *_item(evidence, hosts)]
    if not shown:
        blocks.append(rich.block_of(rich.section(rich.text("No tool was called, so there is no evidence."))))
    turns = [(page - 1, "Previous")] if page > 0 else []
    turns += [(page + 1, "Next")] if page + 1 < pages else []
    if turns:
        blocks.append(
            {
                "type": "actions",
                "elements": [
                    {
                        "type": "button",
                        "action_id": f"{PAGE}:{number}",
                        "text": {"type": "plain_text", "text": label, "emoji": False},
                        "value": str(number),
                    }
                    for number, label in turns
                ],
            }
        )
    return {
        "type": "modal",
        "callback_id": "rca_evidence_view",
        "private_metadata": json.dumps({"investigation": report.id, "page": page}),
        "title": {"type": "plain_text", "text": "Evidence", "emoji": False},
        "close": {"type": "plain_text", "text": "Close", "emoji": False},
        "blocks": blocks,
    }


def _item(evidence: Evidence, hosts: Sequence[str]) -> list[Block]:
    head = [*rich.text(f"{evidence.id}  ", bold=True), *rich.code(f"{evidence.server}.{evidence.tool}")]
    facts = [f"{evidence.at:%H:%M:%S} UTC", wording.seconds(evidence.duration_ms / 1000)]
    facts += ["from cache"] if evidence.cached else []
    facts += ["shortened"] if evidence.truncated else []
    facts += ["contains text that the workload wrote"] if evidence.tainted else []
    head += rich.text(f"  {' · '.join(facts)}")
    if evidence.link:
        head += [*rich.text(" · "), *rich.link(evidence.link, "source", hosts)]
    parts = [rich.section(head)]
    if evidence.arguments:
        parts.append(
            rich.section(rich.code(tidy(json.dumps(evidence.arguments, ensure_ascii=False, sort_keys=True), 300)))
        )
    if evidence.error is not None:
        why = f"Failed ({evidence.error.code}): {evidence.error.message} {evidence.error.hint}"
        return [rich.block_of(*parts, rich.section(rich.text(tidy(why, 600))))]
    if evidence.summary:
        parts.append(rich.section(rich.text(tidy(evidence.summary, 300))))
    body = json.dumps(evidence.data, ensure_ascii=False, indent=1) if evidence.data is not None else evidence.text
    if body:
        parts.append(rich.preformatted(shorten(body, MAX_BODY), MAX_BODY))
    return [rich.block_of(*parts)]


def reason_view(investigation: str) -> dict[str, Any]:
    """What a thumbs-down asks: one optional line."""
    return {
        "type": "modal",
        "callback_id": "rca_reason",
        "private_metadata": json.dumps({"investigation": investigation}),
        "title": {"type": "plain_text", "text": "What was wrong?", "emoji": False},
        "submit": {"type": "plain_text", "text": "Send", "emoji": False},
        "close": {"type": "plain_text", "text": "Skip", "emoji": False},
        "blocks": [
            {
                "type": "input",
                "block_id": "reason",
                "optional": True,
                "label": {"type": "plain_text", "text": "What was it really, or what is missing?", "emoji": False},
                "element": {"type": "plain_text_input", "action_id": "text", "multiline": True, "max_length": 1000},
            }
        ],
    }
