"""States that a sentence tells: ``Rule 'X' is active``, ``checkout: OK → CRITICAL``, ``disk of db3 is CRITICAL value: 97``.

Settings and work have states, too (a severity that was changed, a ticket, a build): they are left alone.
"""

import re
from typing import NamedTuple

from bot.alerts.words import field_of, fold, listed


class Told(NamedTuple):
    """What has the state, the state's word (folded), and whether only a machine writes so."""

    name: str
    word: str
    sure: bool


# ``Alert X has fired``, ``Monitor X just entered alert status``, ``Elasticsearch query rule 'X' is active:``
_SENTENCE = re.compile(
    r"^(?:For \w{1,20} \S{1,80} )?"
    r"(?:(?:[\w-]{1,20} ){0,3}(?:rule|monitor|alert|check|trigger|detector|alarm|policy|watch) "
    r"['\"“‘«](?P<quoted>[^'\"“”‘’«»]{2,150})['\"”’»]"
    r"|(?P<kind>Alert|Monitor|Detector|Watcher|Probe|Heartbeat|Healthcheck)"
    r" (?!(?:in|on|of|from|for|at|to|with|and|the|is|was|has|fatigue|rules?)\b)(?P<plain>\S.{1,150}?))"
    r"\s+(?:(?:has been|has just|has|was|is now|is|just|entered)\s+){0,2}"
    r"(?P<word>fired|firing|triggered|resolved|recovered|active|activated|deactivated|alert status|failed|failing|succeeded|down|up)"
    r"(?=\s*[:.!]*\s*$|[.:!]\s|\s+(?:on|at|for|since|with|because|in|after|again|from)\b)",
    re.IGNORECASE,
)
_SAID = {
    "activated": "firing", "deactivated": "resolved", "alert status": "firing", "failed": "firing", "failing": "firing",
    "succeeded": "resolved", "active": "firing",
}  # fmt: skip
# ``checkout: OK → CRITICAL (7 %)``, ``disk of db3 is CRITICAL value: 97``
_CHANGED = re.compile(
    r"^(?P<name>\S.{1,150}?)\s*[:：|–—-]?\s+(?:(?:state|status)\s+)?(?:changed\s+)?(?:from\s+)?(?P<was>[A-Za-z_]{2,20})\s*(?:→|->|=>|➜|➡)\s*"
    r"(?P<word>[A-Za-z_]{2,20})\b"
)
_STATES = listed(
    "ok up normal healthy resolved recovered down critical crit warning warn error unknown unhealthy alarm alerting alert firing problem"
    " degraded offline online"
)
_SETTING = re.compile(
    r"(?i:\b(?:severity|priority|threshold|rule|setting|level)\b|^\W*(?:builds?|deploy\w*|pipelines?|tests?|ci|lint|release)\b)"
    r"|^\W*[A-Z][A-Z0-9]{1,9}-\d"
)
_RAISED = re.compile(r"(?i)^(?:alert|alarm) (?:triggered|fired|raised) (?:on|for|at) (?=[\w.]*[\d-])[\w.-]{2,80}$")
_SHOUTED = re.compile(
    r"^.{2,150}? (?:is|are|reporting|reports|entered(?: the)?) (?P<word>CRITICAL|ALARM|WARNING|DOWN|ALERTING|UNHEALTHY|UNREACHABLE)\b(?=\s)"
)


def read_state(text: str) -> Told | None:
    """What one line tells, ``None`` where it is no such sentence."""
    sentence = _SENTENCE.match(text)
    if sentence:
        word = fold(sentence["word"])
        name = re.sub(r" of type [\w-]{2,20}$", "", sentence["quoted"] or sentence["plain"])
        return Told(name, _SAID.get(word, word), bool(sentence["quoted"]) or fold(sentence["kind"]) != "alert")
    changed = _CHANGED.match(text)
    if changed and {fold(changed["was"]), fold(changed["word"])} <= _STATES:
        setting = _SETTING.search(changed["name"]) or field_of(changed["name"])
        return None if setting else Told(changed["name"], fold(changed["word"]), True)
    if _RAISED.match(text):
        return Told(text, "triggered", True)
    shouted = _SHOUTED.match(text)
    return Told(text, fold(shouted["word"]), False) if shouted else None
