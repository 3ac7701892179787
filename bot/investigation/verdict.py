"""Findings to ranked causes and one verdict.

The rules, in the order in which they count:

* A cause is a code on an object. Findings of the same code and object add up to one cause: the strongest speaks, each further one
  adds a little.
* A TRUE finding may speak against causes (``rules_out``): a contradicted cause loses half of its weight.
* A change on the same object shortly before the onset speaks for a cause; so does being the object that the alert names.
* What could not be checked caps the confidence: without a key check nothing is confirmed.
* Text that a stranger can write explains what was seen, it makes nothing seen: a cause that rests on such text alone is ``likely`` at
  most. Where everything was looked at and nothing else speaks of trouble on the same object, it stays a suspicion.
* ``confirmed`` needs decisive evidence that no stranger can write, and no rival of equal weight on another object.

Nothing here looks at wording; nothing here is random; the same findings always give the same verdict.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.investigation import causes as vocabulary
from bot.investigation.model import Cause, Finding, Verdict

CONFIRMED_FROM = 0.85
LIKELY_FROM = 0.55
CAP_WITHOUT_KEY_CHECK = 0.7
CAP_TAINTED = 0.6
CAP_UNSEEN = 0.5  # below `LIKELY_FROM`: words alone, about an object that was looked at and showed nothing wrong
CHANGE_BONUS = 0.03
TARGET_BONUS = 0.04
AGREEMENT_BONUS = 0.02
CONTRADICTION_FACTOR = 0.5
RIVAL_MARGIN = 0.05
CHANGE_PREFIX = "change."


@dataclass(frozen=True)
class Ranking:
    """The ranked causes and what the first of them is worth."""

    verdict: Verdict
    causes: tuple[Cause, ...]
    caveats: tuple[str, ...] = ()  # why the verdict is not stronger


def rank(
    findings: Iterable[Finding],
    *,
    targets: frozenset[str] = frozenset(),
    missing_key_checks: Sequence[str] = (),
    rules_out: dict[str, tuple[str, ...]] | None = None,
) -> Ranking:
    """Rank what the findings speak for.

    Args:
        findings: results of all rules; only true, unsuppressed ones with a cause become causes.
        targets: objects that the alert is about ("Deployment/shop/checkout", "Pod/shop/checkout-1").
        missing_key_checks: titles of key steps that did not succeed.
        rules_out: finding id -> cause codes that it speaks against when true.
    """
    found = [f for f in findings if f.state == "true"]
    seen = {f.object for f in found if _symptom(f)}
    live = [f for f in found if not f.suppressed_by]
    against = {code for f in live for code in (rules_out or {}).get(f.id, ())}
    changed = {f.object for f in live if f.cause.startswith(CHANGE_PREFIX)}
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in live:
        if finding.cause:
            groups.setdefault((finding.cause, finding.object), []).append(finding)

    cap = CAP_WITHOUT_KEY_CHECK if missing_key_checks else 1.0
    weighed: list[tuple[float, bool, Cause]] = []
    for (code, subject), members in groups.items():
        members.sort(key=lambda f: (-f.confidence, f.id))
        best = members[0]
        weight = best.confidence + AGREEMENT_BONUS * min(len(members) - 1, 2)
        if subject in changed and not code.startswith(CHANGE_PREFIX):
            weight += CHANGE_BONUS
        on_target = subject in targets
        if on_target:
            weight += TARGET_BONUS
        if code in against:
            weight *= CONTRADICTION_FACTOR
        decisive = any(f.decisive and not f.tainted for f in members) and code not in against
        if all(f.tainted for f in members):
            weight = min(weight, CAP_TAINTED if subject in seen or missing_key_checks else CAP_UNSEEN)
        shown = round(min(weight, cap, 0.99), 2)
        evidence = tuple(dict.fromkeys(e for f in members for e in f.evidence))
        cause = Cause(
            code=code,
            object=subject,
            confidence=shown,
            title=best.title,
            says=vocabulary.says(code),
            evidence=evidence,
            findings=tuple(f.id for f in members),
            since=min((f.since for f in members if f.since), default=None),
            decisive=decisive,
        )
        weighed.append((weight, on_target, cause))

    weighed.sort(
        key=lambda w: (-round(w[0], 3), not w[1], not w[2].decisive, w[2].since or "9", w[2].code, w[2].object)
    )
    ranked = tuple(cause for _, _, cause in weighed)
    if not ranked:
        return Ranking("inconclusive", ())
    return _judge(weighed, ranked, missing_key_checks)


def _judge(weighed: list[tuple[float, bool, Cause]], ranked: tuple[Cause, ...], missing: Sequence[str]) -> Ranking:
    top_weight, on_target, top = weighed[0]
    caveats: list[str] = []
    if missing:
        caveats.append(f"not confirmed: {_listed(missing)} could not be checked")
    rivals = [
        c
        for w, target, c in weighed[1:]
        if c.decisive and c.object != top.object and top_weight - w < RIVAL_MARGIN and target == on_target
    ]
    if top.decisive and rivals:
        caveats.append(f"not confirmed: {rivals[0].object} has a cause of equal weight")
    if top.decisive and top.confidence >= CONFIRMED_FROM and not caveats:
        return Ranking("confirmed", ranked)
    if top.confidence >= LIKELY_FROM:
        return Ranking("likely", ranked, tuple(caveats))
    return Ranking("inconclusive", ranked, tuple(caveats))


def _symptom(finding: Finding) -> bool:
    """Trouble that was seen rather than read in a workload's own words; a change is not trouble yet."""
    grave = finding.severity in ("critical", "high", "medium")
    return grave and not finding.tainted and not finding.cause.startswith(CHANGE_PREFIX)


def _listed(titles: Sequence[str]) -> str:
    names = [t[:1].lower() + t[1:] for t in titles]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
