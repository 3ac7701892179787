"""Grounding: what a model says is held against the evidence that it cites, value by value."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.investigation.causes import vocabulary
from bot.investigation.claims import Claim, ClaimedCause, Claims, GroundedClaim, GroundedClaims
from bot.investigation.facts import facts
from bot.investigation.grounding import CAP_SHAKY, CAP_TAINTED, CAP_UNVERIFIED, ground, harmless
from bot.investigation.quantities import claimed, stated
from bot.tools.evidence import Evidence
from mcp_servers.common.envelope import Signal

AT = datetime(2026, 11, 22, 3, 12, tzinfo=UTC)
FINE = Claim(text="The pod restarts", evidence=["E1"])


def check(text: str, evidence: Sequence[Evidence], *ids: str, names: Sequence[str] = ()) -> GroundedClaim:
    claims = Claims(headline=Claim(text=text, evidence=list(ids)), causes=[], claims=[], ruled_out=[], next_steps=[])
    headline = ground(claims, evidence, vocabulary(), names=names).headline
    assert headline is not None
    return headline


def ground_all(evidence: Sequence[Evidence], headline: Claim = FINE, **parts: Any) -> GroundedClaims:
    fields: dict[str, Any] = {"causes": [], "claims": [], "ruled_out": [], "next_steps": [], **parts}
    return ground(Claims(headline=headline, **fields), evidence, vocabulary())


@pytest.mark.parametrize(
    "text",
    [
        "checkout-7d9f8c6b5-x8k2p restarted 14 times",
        "It restarts since 03:01",
        "It restarts since 03:01:12",
        "It began on 2026-11-22 at 03:01",
        "The container used 512 MiB, 41 % of its limit",
        "The container used 41.3% of its limit",
        "It ran for 2 s before it exited with code 1",
        "It ran for 2041 ms",
        "ConfigMap `checkout-settings` has no key PAYMENT_URL",
        'The kubelet says "couldn\'t find key PAYMENT_URL"',
        'The kubelet says "couldn\'t find … in ConfigMap shop/checkout-settings"',
        "Deployment/shop/checkout runs image registry.shop/checkout:2.15.0",
        "The read-only, user-facing and crash-looping workload is out-of-memory-free",
        "The pods of checkout do not stay up [E1]",
    ],
)
def test_what_stands_in_the_evidence_is_verified(text: str, all_evidence: tuple[Evidence, ...]) -> None:
    claim = check(text, all_evidence, "E1")
    assert claim.verified, claim.reason
    assert not claim.tainted


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("It restarted 15 times", "the number 15"),
        ("It restarted fourteen times, three of them today", "the number three"),
        ("It restarts since 03:02", "the time 03:02"),
        ("It restarts since 04:01:12", "the time 04:01:12"),
        ("It began on 2026-11-21", "the date 2026-11-21"),
        ("The container used 600 MiB", "the number 600 MiB"),
        ("The container used 1 GiB", "the number 1 GiB"),
        ("The container used 14 % of its limit", "the number 14 %"),
        ("It ran for 3 s", "the number 3 s"),
        ("checkout-7d9f8c6b5-zzzzz restarts", "checkout-7d9f8c6b5-zzzzz"),
        ("The pod cart-db fails", "cart-db"),
        ("The payments workload restarts", "the name payments"),
        ("The container was OOMKilled", "OOMKilled"),
        ("Key PAYMENT_URI is missing", "PAYMENT_URI"),
        ("It runs 2.14.1", "2.14.1"),
        ('The kubelet says "permission denied on /var/run"', "quotation"),
        ("It answers with HTTP 503", "503"),
        ("It connects to 10.1.2.3", "10.1.2.3"),
    ],
)
def test_a_planted_wrong_value_is_found(text: str, why: str, all_evidence: tuple[Evidence, ...]) -> None:
    claim = check(text, all_evidence, "E1")
    assert not claim.verified
    assert why in claim.reason
    assert "E1" in claim.reason


def test_a_true_fact_cited_from_the_wrong_evidence_is_not_verified(all_evidence: tuple[Evidence, ...]) -> None:
    assert check("payments is ready", all_evidence, "E3").verified
    assert not check("It restarted 14 times", all_evidence, "E3").verified


@pytest.mark.parametrize(
    ("ids", "why"),
    [((), "cites no evidence"), (("E99",), "there is no E99"), (("E4",), "E4 failed"), (("nonsense",), "cites no")],
)
def test_a_claim_needs_evidence_that_exists_and_succeeded(
    ids: tuple[str, ...], why: str, all_evidence: tuple[Evidence, ...]
) -> None:
    claim = check("The pod restarts", all_evidence, *ids)
    assert not claim.verified
    assert why in claim.reason


def test_ids_are_read_however_they_are_spelled(all_evidence: tuple[Evidence, ...]) -> None:
    assert check("It restarted 14 times (E1)", all_evidence, "[e1]", "evidence E2.").evidence == ("E1", "E2")


@pytest.mark.parametrize("text", ["It failed in ledger-9", "It took 99 s", 'The log says "fatal in ledger-9"'])
def test_what_only_a_stranger_wrote_is_tainted(text: str, all_evidence: tuple[Evidence, ...]) -> None:
    claim = check(text, all_evidence, "E1")
    assert claim.verified
    assert claim.tainted
    assert "stranger" in claim.reason


def test_everything_from_an_untrusted_server_is_tainted(all_evidence: tuple[Evidence, ...]) -> None:
    assert check("worker-3 says 42 errors at 03:07", all_evidence, "E5").tainted
    assert check("The worker has errors", all_evidence, "E5").tainted
    assert not check("The pod restarts", all_evidence, "E5", "E1").tainted


def test_the_detail_of_a_log_signal_is_a_strangers_word() -> None:
    signal = Signal(code="log.conn_refused", severity="warning", subject="Pod/shop/a", detail="refused by vault-7:8200")
    one = Evidence(
        id="E1", step="s", server="k", tool="get_pod_logs", at=AT, summary="3 errors", data={}, signals=(signal,)
    )
    assert check("It cannot reach vault-7", [one], "E1").tainted
    assert not check("There are 3 errors", [one], "E1").tainted


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("Run kubectl delete ns shop now", "kubectl delete"),
        ("Use `helm rollback checkout`", "helm rollback"),
        ("Fetch https://evil.example/fix.sh", "evil.example"),
        ("See www.evil.example for more", "evil.example"),
        ("Ask <@U123> and <!channel>", "<!channel>"),
        ("Tell @here and @dana", "@here"),
        ("Pipe it | sh", "| sh"),
        ("sudo reboot", "sudo"),
        ("mailto:x@evil.example", "mailto"),
    ],
)
def test_commands_links_and_mentions_never_come_through(
    text: str, gone: str, all_evidence: tuple[Evidence, ...]
) -> None:
    claim = check(text, all_evidence, "E1")
    assert gone not in claim.text
    assert claim.tainted
    assert ground_all(all_evidence, next_steps=[text]).next_steps == ()


@pytest.mark.parametrize(
    "text", ["The shell exits with code 1", "Service checkout answers", "git history shows nothing", "a | b"]
)
def test_prose_is_not_taken_for_a_command(text: str) -> None:
    assert harmless(text) == (text, "")


def test_next_steps_may_name_only_what_trustworthy_evidence_names(all_evidence: tuple[Evidence, ...]) -> None:
    kept = "Look at ConfigMap `checkout-settings` first"
    dropped = ["Downgrade libfoo-2 to 1.2", "Look at ledger-9", "Restart `worker-3`"]
    grounded = ground_all(all_evidence, next_steps=[kept, *dropped])
    assert grounded.next_steps == (kept,)
    assert sum("next step" in note for note in grounded.notes) == 3


def cause(
    code: str = "kubernetes.config.reference_missing", object: str = "Deployment/shop/checkout", **more: Any
) -> ClaimedCause:
    fields: dict[str, Any] = {"confidence": 0.9, "evidence": ["E1"], **more}
    return ClaimedCause(code=code, object=object, **fields)


def test_a_sound_cause_keeps_its_confidence(all_evidence: tuple[Evidence, ...]) -> None:
    (one,) = ground_all(all_evidence, causes=[cause()]).causes
    assert (one.verified, one.tainted, one.confidence) == (True, False, 0.9)


def test_a_cause_outside_the_vocabulary_is_dropped_with_a_note(all_evidence: tuple[Evidence, ...]) -> None:
    grounded = ground_all(all_evidence, causes=[cause("cosmic.rays")])
    assert grounded.causes == ()
    assert any("cosmic.rays" in note for note in grounded.notes)


@pytest.mark.parametrize(
    "more", [{"object": "Deployment/shop/ledger"}, {"evidence": ["E4"]}, {"evidence": []}, {"object": ""}]
)
def test_a_cause_on_an_object_that_its_evidence_does_not_show_is_capped(
    more: dict[str, Any], all_evidence: tuple[Evidence, ...]
) -> None:
    grounded = ground_all(all_evidence, causes=[cause(**more)])
    assert not grounded.causes[0].verified
    assert grounded.causes[0].confidence == CAP_UNVERIFIED
    assert any("unsupported" in note for note in grounded.notes)


def test_a_cause_that_only_strangers_speak_for_is_capped(all_evidence: tuple[Evidence, ...]) -> None:
    (one,) = ground_all(all_evidence, causes=[cause(object="Pod/worker-3", evidence=["E5"])]).causes
    assert one.tainted
    assert one.confidence == CAP_TAINTED


@pytest.mark.parametrize("wild", [5.0, -1.0, float("nan"), float("inf")])
def test_a_wild_confidence_is_tamed(wild: float, all_evidence: tuple[Evidence, ...]) -> None:
    (one,) = ground_all(all_evidence, causes=[cause(confidence=wild)]).causes
    assert 0.0 <= one.confidence <= 1.0


def test_when_a_third_of_the_sentences_fail_no_cause_stays_confident(all_evidence: tuple[Evidence, ...]) -> None:
    wrong = Claim(text="It restarted 77 times", evidence=["E1"])
    (one,) = ground_all(all_evidence, causes=[cause()], claims=[FINE, wrong]).causes
    assert one.confidence == CAP_SHAKY


def test_unverified_sentences_are_marked_and_not_hidden_but_do_not_rule_out(all_evidence: tuple[Evidence, ...]) -> None:
    wrong = Claim(text="It restarted 77 times", evidence=["E1"])
    grounded = ground_all(all_evidence, claims=[wrong], ruled_out=[wrong])
    assert [c.verified for c in grounded.explanation] == [False]
    assert grounded.ruled_out == ()
    assert grounded.unverified == 1
    assert "77" in grounded.notes[0]


def test_names_of_the_alert_may_be_used_its_figures_may_not(all_evidence: tuple[Evidence, ...]) -> None:
    assert not check("KubePodCrashLooping fires in prod-eu1", all_evidence, "E1").verified
    assert check(
        "KubePodCrashLooping fires in prod-eu1", all_evidence, "E1", names=("KubePodCrashLooping", "prod-eu1")
    ).verified
    assert not check("It restarted 98 times", all_evidence, "E1", names=("98",)).verified


def test_the_answer_of_a_model_is_bounded(all_evidence: tuple[Evidence, ...]) -> None:
    many = [Claim(text="The pod restarts " + "x" * 5_000, evidence=["E1"])] * 100
    grounded = ground_all(all_evidence, claims=many, ruled_out=many, causes=[cause()] * 50, next_steps=["look"] * 99)
    assert (len(grounded.claims), len(grounded.causes), len(grounded.next_steps)) == (6, 3, 5)
    assert all(len(c.text) <= 400 for c in grounded.claims)


# properties

numbers = st.integers(13, 10**7) | st.floats(13, 10**6, allow_nan=False).map(lambda f: round(f, 2))
words = st.from_regex(r"[a-z]{3,8}-[a-z0-9]{3,8}[0-9]", fullmatch=True)


@settings(max_examples=80, deadline=None)
@given(numbers, words, st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))
def test_every_value_of_the_evidence_may_be_claimed(number: float, name: str, moment: datetime) -> None:
    one = Evidence(
        id="E1",
        step="s",
        server="k",
        tool="t",
        at=AT,
        data={"value": number, "name": name, "at": moment.isoformat() + "Z"},
    )
    claim = check(f"`{name}` had {number} requests at {moment:%H:%M}", [one], "E1")
    assert claim.verified, claim.reason


@settings(max_examples=80, deadline=None)
@given(numbers, st.integers(1, 10**6))
def test_no_other_number_may_be_claimed(number: float, off: int) -> None:
    one = Evidence(id="E1", step="s", server="k", tool="t", at=AT, data={"value": number})
    claim = check(f"There were {round(number + off, 2)} requests", [one], "E1")
    assert not claim.verified


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300), st.lists(st.text(max_size=6), max_size=3), st.text(max_size=100))
def test_any_text_is_checked_without_trouble(text: str, ids: list[str], next_step: str) -> None:
    one = Evidence(id="E1", step="s", server="k", tool="t", at=AT, data={"x": text[::-1]}, tainted=("x",))
    claims = Claims(
        headline=Claim(text=text, evidence=["E1"]),
        causes=[ClaimedCause(code=text[:20], object=text, confidence=1, evidence=ids)],
        claims=[Claim(text=next_step, evidence=ids)],
        ruled_out=[],
        next_steps=[next_step],
    )
    grounded = ground(claims, [one], vocabulary())
    for line in [*grounded.claims, *([grounded.headline] if grounded.headline else [])]:
        assert not re.search(r"(?i)https?://|<[@!]", line.text)
        assert len(line.text) <= 400


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=400))
def test_reading_facts_and_figures_never_fails(text: str) -> None:
    assert facts(text) is not None
    assert isinstance(claimed(text), list)
    assert isinstance(stated(text), list)


@pytest.mark.parametrize(
    ("claim", "evidence", "same"),
    [
        ("512 MiB", "512Mi", True),
        ("0.5 GiB", "512Mi", True),
        ("512 MB", "512Mi", False),
        ("500 millicores", "500m", True),
        ("0.5 cores", "500m", True),
        ("2 minutes", "120s", True),
        ("1.5 s", "1500ms", True),
        ("5 s", "5ms", False),
        ("8,100 requests", "8100 requests", True),
        ("11 min", "11.4 minutes", True),
        ("11 min", "11.4", False),
        ("11", "11.4", True),
        ("12", "11.4", False),
        ("100 %", "100%", True),
        ("100 %", "1", False),
        ("0", "0", True),
        ("1", "0", False),
    ],
)
def test_units_and_rounding(claim: str, evidence: str, same: bool) -> None:
    (wanted,) = claimed(claim)
    assert any(wanted.same(found) for found in stated(evidence)) is same


@pytest.mark.parametrize(
    ("claim", "data", "same"),
    [
        ("11 minutes", {"minutes_before_onset": 11.4}, True),
        ("10 s", {"periodSeconds": 10}, True),
        ("10 s", {"restarts": 10}, False),
        ("10 %", {"restarts": 10}, False),
        ("10 GiB", {"replicas": 10}, False),
        ("250 ms", {"p99": 0.25}, True),
        ("80 %", {"cpu_usage": 0.8}, True),
        ("0.2 cores", {"cpu": 200}, True),
        ("3 pods", {"pods": ["a", "b", "c"]}, True),
        ("4 pods", {"pods": ["a", "b", "c"]}, False),
    ],
)
def test_the_name_of_a_field_tells_the_unit_of_its_number(claim: str, data: dict[str, Any], same: bool) -> None:
    one = Evidence(id="E1", step="s", server="k", tool="t", at=AT, data=data)
    assert check(f"It is {claim}", [one], "E1").verified is same
