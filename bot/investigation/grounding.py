"""Grounding: the model's sentences held against the evidence that they cite. Code decides, not another model.

A sentence is verified when it cites evidence that exists and succeeded, and every number, time, name and quotation in it occurs there.
It is tainted when a stranger could have written what it rests on. Neither the one nor the other is hidden; both cost confidence. Links,
mentions and commands never come through: what a log line says must not become something that a person clicks, or pastes into a shell.
"""

import math
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from bot.investigation.claims import (
    MAX_CAUSES,
    MAX_CLAIMS,
    MAX_LINES,
    MAX_TEXT,
    Claim,
    ClaimedCause,
    Claims,
    GroundedCause,
    GroundedClaim,
    GroundedClaims,
)
from bot.investigation.facts import KINDS, Facts, facts, without_ids
from bot.investigation.haystack import STRANGERS_SIGNALS, Haystack, split
from bot.tools.evidence import Evidence
from mcp_servers.common.untrusted import clean

CAP_UNVERIFIED: Final = 0.3
"""Highest confidence of a cause whose object or evidence could not be verified."""
CAP_TAINTED: Final = 0.5
"""Highest confidence of a cause that rests on text which strangers can write."""
CAP_SHAKY: Final = 0.6
"""Highest confidence of any cause when a third of the sentences could not be verified."""

_ID = re.compile(r"E\d{1,4}(?:\.\d{1,3})?")
_WORD = re.compile(r"[a-z][a-z0-9-]{2,60}")
_LINK = re.compile(r"(?i)<?\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.)[^\s<>\"'`]{1,500}>?|\bmailto:\S+")
_MENTION = re.compile(r"(?i)<[@!#][^>]{0,100}>|(?<!\w)@(?:here|channel|everyone|[a-z][\w.-]{1,40})\b")
_COMMAND = re.compile(
    r"(?i)(?:^|[\s`'\"(:;&|$])(?:sudo\s|(?:kubectl|helm|curl|wget|docker|podman|crictl|mongosh|psql|mysql|redis-cli|chmod|chown|systemctl"
    r"|apt-get|yum|apk|ssh|scp|nc|argocd|terraform|ansible|npx|eval)\s+[-\w/.\"'$]"
    r"|(?:rm|bash|sh|zsh|python3?|node|pip3?|npm|aws|az|gcloud|git|powershell|iex)\s+(?:-{1,2}\w|/|install\b|run\b|push\b)"
    r"|\|\s*(?:ba|z)?sh\b|\$\(|&&\s*\w|;\s*rm\s)"
)


def ground(
    claims: Claims, evidence: Iterable[Evidence], vocabulary: Collection[str], *, names: Sequence[str] = ()
) -> GroundedClaims:
    """Check ``claims`` against ``evidence``.

    Args:
        claims: the model's answer, as parsed.
        evidence: everything the investigation collected, failed calls included.
        vocabulary: the codes of causes that exist.
        names: names that may be used without evidence: what the alert itself is called and about.
    """
    return _Grounding(evidence, vocabulary, names).all(claims)


class _Grounding:
    def __init__(self, evidence: Iterable[Evidence], vocabulary: Collection[str], names: Sequence[str]) -> None:
        self._evidence = {one.id: one for one in evidence}
        self._vocabulary = vocabulary
        self._given = Haystack(strings=[name for name in names if name])
        self._heaps: dict[tuple[str, ...], tuple[Haystack, Haystack]] = {}
        self._known_names = _object_names(self._evidence.values())
        self._notes: list[str] = []

    def all(self, claims: Claims) -> GroundedClaims:
        headline = self._claim(claims.headline)
        lines = tuple(g for c in claims.claims[:MAX_CLAIMS] if (g := self._claim(c)) is not None)
        ruled_out = tuple(
            g
            for c in claims.ruled_out[:MAX_LINES]
            if (g := self._claim(c)) is not None and g.verified and not g.tainted
        )
        checked = [*([headline] if headline else []), *lines]
        failed = [g for g in checked if not g.verified]
        for grounded in failed[:3]:
            self._notes.append(
                f"the model's statement “{_short(grounded.text)}” is marked unsupported: {grounded.reason}"
            )
        shaky = bool(checked) and len(failed) * 3 >= len(checked)
        causes = [found for c in claims.causes[:MAX_CAUSES] if (found := self._cause(c)) is not None]
        if shaky:
            causes = [one.model_copy(update={"confidence": min(one.confidence, CAP_SHAKY)}) for one in causes]
        steps = tuple(s for raw in claims.next_steps[:MAX_LINES] if (s := self._next_step(raw)))
        causes.sort(key=lambda g: -g.confidence)
        return GroundedClaims(
            headline=headline,
            causes=tuple(causes),
            claims=lines,
            ruled_out=ruled_out,
            next_steps=steps,
            notes=tuple(dict.fromkeys(self._notes)),
        )

    # one sentence

    def _claim(self, claim: Claim) -> GroundedClaim | None:
        text, removed = harmless(claim.text)
        if not re.search(r"\w", text):
            return None
        ids, unknown = self._ids(claim.evidence)
        usable = [i for i in ids if self._evidence[i].ok]
        reason, tainted = "", False
        if not usable:
            failed = f"{', '.join(ids)} failed" if ids else ""
            missing = f"there is no {', '.join(unknown)}" if unknown else ""
            reason = " and ".join(t for t in (failed, missing) if t) or "it cites no evidence"
        else:
            reason, tainted = self._facts(facts(text), text, tuple(usable))
        if removed:
            tainted = True
            self._notes.append(f"{removed} in the model's text was removed; such things are never copied")
        if tainted and not reason:
            reason = "rests on text that a stranger can write"
            return GroundedClaim(text=text, evidence=tuple(usable), verified=True, tainted=True, reason=reason)
        return GroundedClaim(text=text, evidence=tuple(ids), verified=not reason, tainted=tainted, reason=reason)

    def _facts(self, wanted: Facts, text: str, ids: tuple[str, ...]) -> tuple[str, bool]:
        """Why the facts do not stand ("" when they do), and whether they stand only on what strangers can write."""
        clean_heap, everything = self._heap(ids)
        wanted = self._without_given(wanted)
        missing = everything.missing(wanted)
        if missing:
            return f"{missing} is not in {', '.join(ids)}", False
        stranger = self._foreign_name(text, everything)
        if stranger:
            return f"the name {stranger} is not in {', '.join(ids)}", False
        if wanted.empty:
            return "", all("*" in self._evidence[i].tainted for i in ids)
        return "", bool(clean_heap.missing(wanted))

    def _without_given(self, wanted: Facts) -> Facts:
        return Facts(
            wanted.quantities,
            wanted.times,
            wanted.dates,
            tuple(name for name in wanted.names if not self._given.has_name(name)),
            wanted.quotes,
        )

    def _foreign_name(self, text: str, cited: Haystack) -> str:
        """A plain word ("payments") that names a known object which the cited evidence does not speak of."""
        for word in dict.fromkeys(_WORD.findall(text)):
            known = word in self._known_names and word not in KINDS
            if known and not cited.has_name(word) and not self._given.has_name(word):
                return str(word)
        return ""

    # causes and next steps

    def _cause(self, cause: ClaimedCause) -> GroundedCause | None:
        if cause.code not in self._vocabulary:
            self._notes.append(f"the model named a cause that does not exist ({clean(cause.code, 60)}); it was dropped")
            return None
        name, _ = harmless(cause.object)
        ids, _ = self._ids(cause.evidence)
        usable = tuple(i for i in ids if self._evidence[i].ok)
        confidence = min(max(cause.confidence, 0.0), 1.0) if math.isfinite(cause.confidence) else 0.0
        reason, tainted = "", False
        if not usable:
            reason = "it cites no evidence that succeeded"
        elif not name:
            reason = "it names no object"
        else:
            clean_heap, everything = self._heap(usable)
            if not everything.has_object(name):
                reason = f"{name} is not in {', '.join(usable)}"
            named_cleanly = clean_heap.has_object(name)
            tainted = not reason and (
                not named_cleanly or all(_speaks_for_strangers(self._evidence[i]) for i in usable)
            )
        if reason:
            self._notes.append(
                f"the model suggested {cause.code} on {name or 'no object'}; it is marked unsupported: {reason}"
            )
        cap = CAP_UNVERIFIED if reason else CAP_TAINTED if tainted else 1.0
        return GroundedCause(
            code=cause.code,
            object=name,
            confidence=min(confidence, cap),
            evidence=usable,
            verified=not reason,
            tainted=tainted,
            reason=reason,
        )

    def _next_step(self, raw: str) -> str:
        """A next step may name only what trustworthy evidence or the alert names; a command or a link in it drops it."""
        text, removed = harmless(raw)
        if removed:
            self._notes.append(f"a next step of the model held {removed}; it was dropped")
            return ""
        ok = tuple(i for i, one in self._evidence.items() if one.ok)
        clean_heap, _ = self._heap(ok)
        missing: str = clean_heap.missing(self._without_given(facts(text)))
        if missing:
            self._notes.append(f"a next step of the model was dropped: {missing} is in no trustworthy evidence")
            return ""
        return text

    # evidence

    def _ids(self, raw: Sequence[str]) -> tuple[list[str], list[str]]:
        named = list(dict.fromkeys(i for text in raw[:20] for i in _ID.findall(str(text)[:200].upper())))
        return [i for i in named if i in self._evidence], [i for i in named if i not in self._evidence]

    def _heap(self, ids: tuple[str, ...]) -> tuple[Haystack, Haystack]:
        if ids not in self._heaps:
            self._heaps[ids] = split(self._evidence[i] for i in ids)
        return self._heaps[ids]


def _speaks_for_strangers(one: Evidence) -> bool:
    """Whether what this evidence judges rests on text that strangers write: no signal of it comes from the backend itself."""
    if "*" in one.tainted:
        return True
    return bool(one.tainted) and all(signal.code.startswith(STRANGERS_SIGNALS) for signal in one.signals)


def harmless(raw: str) -> tuple[str, str]:
    """A sentence of the model fit to be shown, and what had to be removed from it ("" for nothing)."""
    text = without_ids(clean(raw, MAX_TEXT))
    removed = ""
    for what, pattern in (("a link", _LINK), ("a mention", _MENTION)):
        text, count = pattern.subn(f"[{what[2:]} removed]", text)
        removed = removed or (what if count else "")
    if _COMMAND.search(text):
        match = _COMMAND.search(text)
        text = f"{text[: match.start()].rstrip()} [command removed]" if match else text
        removed = removed or "a command"
    return text.strip(), removed


def _object_names(evidence: Iterable[Evidence]) -> frozenset[str]:
    """Plain names of the objects that signals speak of: the last part of ``Kind/namespace/name``."""
    found = set()
    for one in evidence:
        for signal in one.signals:
            for subject in (signal.subject, signal.owner):
                name = subject.rpartition("/")[2]
                if len(name) >= 3:
                    found.add(name)
    return frozenset(found)


def _short(text: str) -> str:
    return text if len(text) <= 90 else text[:89] + "…"
