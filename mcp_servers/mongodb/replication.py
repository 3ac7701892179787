"""A replica set as one of its members sees it, from ``replSetGetStatus``."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from mcp_servers.common.envelope import Lean, Signal
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean
from mcp_servers.mongodb.reading import iso, moment, number, whole

Json = dict[str, Any]
CODES = ("mongo.no_primary", "mongo.election", "mongo.member_down", "mongo.repl_lag")
_PRIMARY, _SECONDARY, _ARBITER = 1, 2, 7
_DOWN = {0: "startup", 3: "recovering", 5: "startup", 6: "unreachable", 8: "unreachable", 9: "rollback", 10: "removed"}
# A member is seen one heartbeat late, and an idle primary writes every ten seconds: without this room that write looks like lag.
_HEARTBEAT_S = 2.0
_REASONS = (("timeout", "timeout"), ("stepup", "step_up"), ("priority", "priority"))


class SetMember(Lean):
    """``lag_s`` is how far its last write is behind the primary's; ``message`` is its last heartbeat's or its own.

    ``delay_s`` is the lag it is configured to keep. ``priority`` 0 never becomes primary; ``votes`` 0 elects none.
    """

    host: str
    state: str
    healthy: bool
    lag_s: float | None = None
    delay_s: float | None = None
    priority: float | None = None
    votes: int | None = None
    hidden: bool | None = None
    uptime_s: int | None = None
    sync_source: str = ""
    ping_ms: float | None = None
    last_heartbeat: str = ""
    message: str = ""


class Election(Lean):
    at: str
    reason: str = ""
    term: int | None = None


class SetView(Lean):
    """``seen_by`` names the member that was asked; another one may see it differently."""

    name: str
    seen_by: str
    primary: str = ""
    term: int | None = None
    voters: int | None = None
    members: list[SetMember] = Field(default_factory=list)
    last_election: Election | None = None
    initial_sync: str = ""


def set_view(status: Json, seen_by: str, config: Json | None = None) -> SetView:
    """``config`` is a reply to ``replSetGetConfig``, where it could be read."""
    rows = [m for m in status.get("members") or [] if isinstance(m, Mapping)]
    newest = _newest(rows)
    settings = (config or {}).get("config")
    listed = settings.get("members") if isinstance(settings, Mapping) else None
    said = {m.get("host"): m for m in listed or [] if isinstance(m, Mapping)}
    members = [_member(m, newest, said.get(m.get("name")) or {}) for m in rows]
    members.sort(key=lambda m: (m.state != "PRIMARY", m.healthy, m.host))
    return SetView(
        name=clean(status.get("set"), 60),
        seen_by=seen_by,
        primary=next((m.host for m in members if m.state == "PRIMARY" and m.healthy), ""),
        term=whole(status, "term"),
        voters=whole(status, "votingMembersCount"),
        members=members,
        last_election=_election(status, rows),
        initial_sync=_initial_sync(status),
    )


def _newest(rows: list[Any]) -> datetime | None:
    """The primary's last write; without a primary, the newest of all."""
    dates = [(m.get("state") == _PRIMARY, moment(m.get("optimeDate"))) for m in rows]
    known = [d for primary, d in dates if primary and d] or [d for _, d in dates if d]
    return max(known, default=None)


def _member(row: Any, newest: datetime | None, said: Any) -> SetMember:
    written, state = moment(row.get("optimeDate")), whole(row, "state")
    healthy = number(row, "health") != 0
    counts = healthy and state not in (_ARBITER, None) and written is not None and newest is not None
    lag = max(0.0, (newest - written).total_seconds()) if counts and newest and written else None
    return SetMember(
        host=clean(row.get("name"), 120),
        state=clean(row.get("stateStr"), 40) or "?",
        healthy=healthy,
        lag_s=lag,
        delay_s=number(said, "secondaryDelaySecs") or number(said, "slaveDelay") or None,
        priority=number(said, "priority"),
        votes=whole(said, "votes"),
        hidden=True if said.get("hidden") is True else None,
        uptime_s=whole(row, "uptime"),
        sync_source=clean(row.get("syncSourceHost"), 120),
        ping_ms=number(row, "pingMs"),
        last_heartbeat=iso(moment(row.get("lastHeartbeatRecv"))),
        message=clean(row.get("lastHeartbeatMessage") or row.get("infoMessage"), 200),
    )


def _election(status: Json, rows: list[Any]) -> Election | None:
    metrics = status.get("electionCandidateMetrics") or status.get("electionParticipantMetrics") or {}
    at = moment(metrics.get("lastElectionDate")) or moment(metrics.get("newTermStartDate"))
    at = at or next((moment(m.get("electionDate")) for m in rows if m.get("state") == _PRIMARY), None)
    if at is None:
        return None
    return Election(
        at=iso(at), reason=clean(metrics.get("lastElectionReason"), 60), term=whole(metrics, "electionTerm")
    )


def _initial_sync(status: Json) -> str:
    sync = status.get("initialSyncStatus")
    if not isinstance(sync, Mapping):
        return ""
    left = whole(sync, "remainingInitialSyncEstimatedMillis")
    copied, total = number(sync, "approxTotalBytesCopied"), number(sync, "approxTotalDataSize")
    done = f"{copied / total:.0%} copied" if copied is not None and total else "running"
    return f"{done}, about {left // 1000} s left" if left else done


def set_signals(view: SetView, now: datetime, limits: Mapping[str, float], primary_seen: bool) -> list[Signal]:
    """``primary_seen``: a member says of itself that it is the primary, which outweighs what others see."""
    found: list[Signal] = []
    if not view.primary and not primary_seen and view.members:
        states = ", ".join(f"{m.host} {m.state}" for m in view.members[:4])
        found.append(signal("mongo.no_primary", f"mongo/{view.name}", f"no primary: {states}"))
    for member in view.members:
        found += _member_signals(member, limits)
    election = view.last_election
    # an election with one voter is the start of that member
    if election is not None and view.voters != 1 and len(view.members) > 1:
        age = (now - datetime.fromisoformat(election.at)).total_seconds()
        if 0 <= age <= limits["election_s"]:
            text = election.reason.lower()
            reason = next((r for word, r in _REASONS if word in text), "other")
            said = f"{view.primary or 'a primary'} was elected at {election.at}"
            more = f" ({election.reason})" if election.reason else ""
            found.append(
                signal(
                    "mongo.election",
                    f"mongo/{view.name}",
                    said + more,
                    reason=reason,
                    since=election.at,
                    value=age,
                    unit="s",
                )
            )
    return found


def _member_signals(member: SetMember, limits: Mapping[str, float]) -> list[Signal]:
    subject = f"mongo/{member.host}"
    reason = "unreachable" if not member.healthy else _DOWN.get(_STATES.get(member.state.upper(), _SECONDARY), "")
    if reason:
        said = f"{member.state}: {member.message}" if member.message else f"the set sees it as {member.state}"
        return [signal("mongo.member_down", subject, said, reason=reason)]
    delay = member.delay_s or 0.0
    if member.lag_s is not None and member.lag_s >= delay + limits["lag_s"] + _HEARTBEAT_S:
        said = f"{member.lag_s:g} s behind the primary"
        said += f", of which {delay:g} s are wanted" if delay else ""
        said += f", syncs from {member.sync_source}" if member.sync_source else ""
        return [
            signal("mongo.repl_lag", subject, said, value=member.lag_s, threshold=delay + limits["lag_s"], unit="s")
        ]
    return []


_STATES = {
    "STARTUP": 0,
    "PRIMARY": 1,
    "SECONDARY": 2,
    "RECOVERING": 3,
    "STARTUP2": 5,
    "UNKNOWN": 6,
    "ARBITER": 7,
    "DOWN": 8,
    "ROLLBACK": 9,
    "REMOVED": 10,
    "(NOT REACHABLE/HEALTHY)": 8,
}
