"""A `Draft` to an `Alert`: names checked, texts bounded and redacted, a fingerprint. The one way out for all senders' modules."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from bot.alerts.clean import redacted, redacted_original, redacted_pairs
from bot.alerts.drafts import Draft
from bot.alerts.fingerprint import fingerprint, stem
from bot.alerts.model import Alert, Link, Status
from bot.alerts.subject import Subject, find
from bot.alerts.words import level_of
from mcp_servers.common.redaction import redact
from mcp_servers.common.untrusted import sanitise_tree

_PASSWORD = re.compile(r"(?i)(?:^|[^a-z])pwd$")
MAX_NAME = 200
MAX_SUMMARY = 500
MAX_DESCRIPTION = 4_000
MAX_VALUE = 1_000
MAX_RAW = 16_000  # characters of JSON
MAX_LINKS = 12


def build(drafts: Iterable[Draft], source: str) -> list[Alert]:
    """The alerts of those drafts that have a name. The original of several alerts in one card is redacted once."""
    originals: dict[int, dict[str, Any]] = {}
    alerts = []
    for draft in drafts:
        if not draft.name:
            continue
        raw = draft.card.raw
        if id(raw) not in originals:
            originals[id(raw)] = bounded(raw)
        alerts.append(_build(draft, source, originals[id(raw)]))
    return alerts


def _build(draft: Draft, source: str, raw: dict[str, Any]) -> Alert:
    prose = [*draft.prose, draft.summary, draft.description, draft.named, draft.heading.name]
    titles = {url: key for key, url in draft.annotations.items()}
    subject = find(draft.labels, prose, draft.name, draft.values)
    return assemble(
        source=source,
        name=draft.name.rstrip(" :"),
        status=draft.status or "firing",
        severity_word=draft.severity_word,
        summary=draft.summary,
        description=draft.description,
        labels=draft.labels,
        annotations=draft.annotations,
        values=_nameless(draft, subject),
        starts_at=draft.starts_at,
        ends_at=draft.ends_at,
        links=tuple(Link(title=link.title or titles.get(link.url, "link"), url=link.url) for link in draft.links),
        expr=draft.expr,
        subject=subject,
        raw=raw,
    )


def _nameless(draft: Draft, subject: Subject) -> tuple[str, ...]:
    """The bare values that no label and not the name says already, and names whose kind the text left open."""
    told = {word for value in draft.labels.values() for word in value.split()} if draft.labels else set()
    if told:
        told.update(draft.name.split())
    kept = [v for v in draft.values if v not in told]
    return (*kept, *(o for o in subject.others if o not in kept))


def assemble(
    *,
    source: str,
    name: str,
    status: Status,
    severity_word: str,
    summary: str,
    description: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    values: tuple[str, ...],
    starts_at: datetime | None,
    ends_at: datetime | None,
    links: tuple[Link, ...],
    expr: str,
    subject: Subject,
    raw: dict[str, Any],
) -> Alert:
    """An `Alert` of parts that are still as long and as secret as the sender made them; ``raw`` is `bounded` already."""
    clean_labels = _texts(labels)
    extra = (subject.namespace, subject.workload or stem(subject.pod), subject.service)
    kept_values, kept_links = values[:60], links[:MAX_LINKS]
    clean = iter(
        redacted(
            [
                " ".join(name.split()),
                severity_word,
                summary,
                description,
                expr,
                *kept_values,
                *(part for link in kept_links for part in (link.title, link.url)),
            ]
        )
    )
    return Alert(
        source=source,
        name=next(clean)[:MAX_NAME],
        status=status,
        severity=level_of(severity_word) if severity_word else None,
        severity_word=next(clean)[:40],
        summary=next(clean)[:MAX_SUMMARY],
        description=next(clean)[:MAX_DESCRIPTION],
        expr=next(clean)[:2_000],
        labels=clean_labels,
        annotations=_texts(annotations),
        values=tuple([next(clean)[:200] for _ in kept_values]),
        starts_at=starts_at,
        ends_at=ends_at,
        links=tuple([Link(title=next(clean), url=next(clean)) for _ in kept_links]),
        fingerprint=fingerprint(source, name, clean_labels, values, extra),
        raw=raw,
        namespace=subject.namespace,
        pod=subject.pod,
        container=subject.container,
        workload=subject.workload,
        service=subject.service,
        node=subject.node,
        cluster=subject.cluster,
    )


def bounded(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The redacted original, or its beginning where it is larger than `MAX_RAW` characters or nested out of all proportion."""
    try:
        if len(json.dumps(raw, ensure_ascii=False, default=str)) <= MAX_RAW:
            return redacted_original(raw)
        text = json.dumps(sanitise_tree(raw), ensure_ascii=False, default=str)[:MAX_RAW]
    except (RecursionError, ValueError):
        return {"left_out": "the original is nested too deep to keep"}
    return {"beginning": redact(text[:8_000]), "characters_kept": 8_000}


def _texts(pairs: Mapping[str, str]) -> dict[str, str]:
    bounded_pairs = {str(k)[:100]: str(v)[:8_000] for k, v in list(pairs.items())[:80]}
    clean = redacted_pairs(bounded_pairs)  # before the cut, which could take half of a secret's shape away
    return {k: "[redacted]" if v and _PASSWORD.search(k) else str(v)[:MAX_VALUE] for k, v in clean.items()}
