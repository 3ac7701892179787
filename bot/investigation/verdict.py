"""Findings to ranked causes and one verdict.

The rules, in the order in which they count:

* A cause is a code on an object. Findings of the same code and object add up to one cause: the strongest speaks, each further one
  adds a little.
* A TRUE finding may speak against causes (``rules_out``): a contradicted cause loses half of its weight.
* A change on the same object shortly before the onset speaks for a cause; so does being the object that the alert names.
* What could not be checked caps the confidence: without a key check nothing is confirmed.
* Text that a stranger can write explains what was seen, it makes nothing seen: a cause that rests on such text alone is ``likely`` at
  most. Where everything was looked at and nothing else speaks of trouble on the same object, it stays a suspicion.
* Trouble on another application is behind an alert when what the alert names depends on it; where that is not known, when it began as
  the alert did. Else it stands beside it, and is never confirmed (`bot.investigation.reach`).
* ``confirmed`` needs decisive evidence that no stranger can write, and no rival of equal weight on another object.

Nothing here looks at wording; nothing here is random; the same findings always give the same verdict.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.investigation import causes as vocabulary
from bot.investigation.model import Cause, Finding, Verdict
from bot.investigation.reach import Reach, Timing

CONFIRMED_FROM = 0.85
LIKELY_FROM = 0.55
SUSPECT_FROM = 0.4  # an inconclusive report names its first cause from here, as a suspect
CAP_WITHOUT_KEY_CHECK = 0.7
CAP_TAINTED = 0.6
CAP_UNSEEN = 0.5  # below `LIKELY_FROM`: words alone, about an object that was looked at and showed nothing wrong
CAP_BESIDE = 0.7  # certain trouble of which nobody knows whether the alert comes of it
CAP_APART = 0.5  # trouble on what the alert's object has nothing to do with, as far as can be seen
CHANGE_BONUS = 0.03
TARGET_BONUS = 0.04
AGREEMENT_BONUS = 0.02
CONTRADICTION_FACTOR = 0.5
RIVAL_MARGIN = 0.05
MALUS_UNKNOWN = 0.05  # what began with the alert goes before what may have
MALUS_APART = 0.1
MALUS_OLD = 0.4  # what has been broken for long, and that nothing here needs, goes after whatever else was found
CHANGE_PREFIX = "change."

WORDS_ONLY = "a suspicion: only log text speaks for it, nothing else on {} looks wrong"
OWN_LOOKS_WELL = "what the alert names looks well now; this is wrong beside it"
LONG_SO = "not confirmed: {} was so long before the alert began"
NOT_CALLED = "not confirmed: nothing that was seen makes the alert's own object depend on {}"
NOT_KNOWN = "not confirmed: nothing shows that the alert's own object depends on {}, or that both began together"


@dataclass(frozen=True)
class Ranking:
    """The ranked causes and what the first of them is worth."""

    verdict: Verdict
    causes: tuple[Cause, ...]
    caveats: tuple[str, ...] = ()  # why the verdict is not stronger
    beside: bool = False  # the alert's own object looks well; the first cause is wrong beside it

    @property
    def suspect(self) -> Cause | None:
        """The first cause of an inconclusive verdict, where it is worth a name: where to look, not what it was."""
        first = self.causes[0] if self.causes and self.verdict == "inconclusive" else None
        return first if first and first.confidence >= SUSPECT_FROM else None


def rank(
    findings: Iterable[Finding],
    *,
    reach: Reach | None = None,
    missing_key_checks: Sequence[str] = (),
    rules_out: dict[str, tuple[str, ...]] | None = None,
) -> Ranking:
    """Rank what the findings speak for.

    Args:
        findings: results of all rules; only true, unsuppressed ones with a cause become causes.
        reach: what the alert is about, and what that depends on.
        missing_key_checks: titles of key steps that did not succeed.
        rules_out: finding id -> cause codes that it speaks against when true.
    """
    reach = reach or Reach()
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
    well = not seen & reach.targets
    began: dict[
        str, set[str]
    ] = {}  # when trouble on an object began, by what no workload wrote: a log's clock may say anything
    for finding in found:
        if finding.since and not finding.tainted:
            began.setdefault(finding.object, set()).add(finding.since)
    weighed: list[_Weighed] = []
    for (code, subject), members in groups.items():
        members.sort(key=lambda f: (-f.confidence, f.id))
        best = members[0]
        weight = best.confidence + AGREEMENT_BONUS * min(len(members) - 1, 2)
        if subject in changed and not code.startswith(CHANGE_PREFIX):
            weight += CHANGE_BONUS
        on_target = subject in reach.targets
        if on_target:
            weight += TARGET_BONUS
        if code in against:
            weight *= CONTRADICTION_FACTOR
        decisive = any(f.decisive and not f.tainted for f in members) and code not in against
        worded = all(f.tainted for f in members)
        unseen = worded and subject not in seen and not missing_key_checks
        if worded:
            weight = min(weight, CAP_UNSEEN if unseen else CAP_TAINTED)
        told = {f.since for f in members if f.since and not f.tainted}
        since = min(told or began.get(subject, set()), default=None)
        aside = _aside(reach, subject, reach.timing(began.get(subject, ())), well=well)
        shown = round(min(weight, cap, aside.cap, 0.99), 2)
        evidence = tuple(dict.fromkeys(e for f in members for e in f.evidence))
        cause = Cause(
            code=code,
            object=subject,
            confidence=shown,
            title=best.title,
            says=vocabulary.says(code),
            evidence=evidence,
            findings=tuple(f.id for f in members),
            since=since,
            decisive=decisive,
        )
        doubt = WORDS_ONLY.format(subject) if unseen else aside.caveat
        weighed.append(_Weighed(weight - aside.malus, on_target, cause, doubt))

    weighed.sort(key=_Weighed.order)
    return _judge(weighed, missing_key_checks) if weighed else Ranking("inconclusive", ())


@dataclass(frozen=True)
class _Weighed:
    """A cause, what it weighs before the caps that all share, and what else decides its rank."""

    weight: float
    on_target: bool
    cause: Cause
    doubt: str = ""  # why it is no more than a suspicion, where it is none

    def order(self) -> tuple[float, bool, bool, str, str, str]:
        """Sorts the strongest first; the rest makes ties the same in every run."""
        cause = self.cause
        return (
            -round(self.weight, 3),
            not self.on_target,
            not cause.decisive,
            cause.since or "9",
            cause.code,
            cause.object,
        )


def _judge(weighed: Sequence[_Weighed], missing: Sequence[str]) -> Ranking:
    first, top = weighed[0], weighed[0].cause
    ranked = tuple(w.cause for w in weighed)
    caveats: list[str] = []
    if missing:
        caveats.append(f"not confirmed: {_listed(missing)} could not be checked")
    rivals = [
        w.cause
        for w in weighed[1:]
        if w.cause.decisive
        and w.cause.object != top.object
        and first.weight - w.weight < RIVAL_MARGIN
        and w.on_target == first.on_target
    ]
    if top.decisive and rivals:
        caveats.append(f"not confirmed: {rivals[0].object} has a cause of equal weight")
    if top.decisive and top.confidence >= CONFIRMED_FROM and not caveats:
        return Ranking("confirmed", ranked)
    if top.confidence >= LIKELY_FROM:
        return Ranking("likely", ranked, (*caveats, first.doubt) if first.doubt else tuple(caveats))
    if first.doubt:
        caveats.append(first.doubt)
    return Ranking("inconclusive", ranked, tuple(caveats), beside=first.doubt == OWN_LOOKS_WELL)


@dataclass(frozen=True)
class _Aside:
    """What standing beside the alert's object costs a cause."""

    cap: float = 1.0
    malus: float = 0.0
    caveat: str = ""


def _aside(reach: Reach, subject: str, timing: Timing, *, well: bool) -> _Aside:
    """``well``: the alert's own object was looked at and shows no trouble."""
    standing = reach.standing(subject)
    if standing == "own":
        # An alert that names no object is about what began with it.
        stale = not reach.targets and timing == "long before"
        return _Aside(CAP_BESIDE, MALUS_OLD, LONG_SO.format(_short(subject))) if stale else _Aside()
    if standing == "behind":
        return _Aside(CAP_BESIDE, 0.0, OWN_LOOKS_WELL) if reach.own_symptom and well else _Aside()
    old = MALUS_OLD if timing == "long before" else 0.0
    if well and reach.own_symptom:
        return _Aside(CAP_APART, MALUS_APART + old, OWN_LOOKS_WELL)
    if standing == "apart":
        near = timing == "near"
        return _Aside(CAP_BESIDE if near else CAP_APART, MALUS_APART + old, NOT_CALLED.format(_short(subject)))
    if timing == "near":
        return _Aside()
    return _Aside(CAP_APART if old else CAP_BESIDE, MALUS_UNKNOWN + old, NOT_KNOWN.format(_short(subject)))


def _symptom(finding: Finding) -> bool:
    """Trouble that was seen rather than read in a workload's own words; a change is not trouble yet."""
    grave = finding.severity in ("critical", "high", "medium")
    return grave and not finding.tainted and not finding.cause.startswith(CHANGE_PREFIX)


def _short(subject: str) -> str:
    return subject.rpartition("/")[2]


def _listed(titles: Sequence[str]) -> str:
    names = [t[:1].lower() + t[1:] for t in titles]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
