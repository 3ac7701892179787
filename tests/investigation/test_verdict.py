"""What findings are worth together."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bot.alerts.model import Alert
from bot.investigation.model import Finding
from bot.investigation.reach import Reach
from bot.investigation.verdict import CAP_WITHOUT_KEY_CHECK, rank

CHECKOUT, CART = "Deployment/shop/checkout", "Deployment/shop/cart"


def finding(id: str = "config_missing", **more: object) -> Finding:
    fields: dict[str, object] = {
        "state": "true",
        "cause": "kubernetes.config.reference_missing",
        "object": CHECKOUT,
        "confidence": 0.95,
        "decisive": True,
        "evidence": ("E1",),
        "title": "a key is missing",
    }
    return Finding.model_validate({"id": id, **fields, **more})


def test_decisive_evidence_on_one_object_confirms() -> None:
    ranking = rank([finding()])
    assert ranking.verdict == "confirmed"
    assert ranking.causes[0].object == CHECKOUT


def test_without_decisive_evidence_it_is_at_most_likely() -> None:
    assert rank([finding(decisive=False)]).verdict == "likely"


def test_weak_findings_are_inconclusive_but_still_named() -> None:
    ranking = rank([finding(decisive=False, confidence=0.3)])
    assert ranking.verdict == "inconclusive"
    assert ranking.causes


def test_nothing_found_is_inconclusive() -> None:
    assert rank([finding(state="false"), finding(state="unknown")]) == rank([])


def test_a_missing_key_check_caps_the_confidence_and_is_named() -> None:
    ranking = rank([finding()], missing_key_checks=["Pod state"])
    assert ranking.verdict == "likely"
    assert ranking.causes[0].confidence == CAP_WITHOUT_KEY_CHECK
    assert ranking.caveats == ("not confirmed: pod state could not be checked",)


def test_text_that_a_stranger_can_write_never_confirms() -> None:
    assert rank([finding(tainted=True)]).verdict != "confirmed"


def test_words_about_an_object_that_looks_well_are_a_suspicion() -> None:
    ranking = rank([finding(tainted=True)])
    assert ranking.verdict == "inconclusive"
    assert ranking.suspect is ranking.causes[0]
    assert ranking.caveats == (f"a suspicion: only log text speaks for it, nothing else on {CHECKOUT} looks wrong",)


def test_only_an_inconclusive_verdict_has_a_suspect_and_only_one_worth_a_look() -> None:
    assert rank([finding()]).suspect is None
    assert rank([finding(decisive=False, confidence=0.3)]).suspect is None
    assert rank([]).suspect is None


def test_tainted_findings_do_not_lend_their_decisiveness() -> None:
    clean_but_weak = finding("hint", decisive=False, confidence=0.9)
    assert rank([finding(tainted=True), clean_but_weak]).verdict == "likely"


def test_two_decisive_causes_of_equal_weight_are_not_confirmed() -> None:
    ranking = rank([finding(), finding("image", cause="kubernetes.image.not_found", object=CART)])
    assert ranking.verdict == "likely"
    assert "equal weight" in ranking.caveats[0]


def test_the_object_that_the_alert_names_goes_first() -> None:
    rival = finding("image", cause="kubernetes.image.not_found", object=CART)
    ranking = rank([rival, finding()], reach=Reach(targets=frozenset({CHECKOUT})))
    assert ranking.causes[0].object == CHECKOUT
    assert ranking.verdict == "confirmed"


def test_a_contradicted_cause_loses() -> None:
    healthy = finding("memory_fine", cause="", confidence=0.9)
    oom = finding("oom", cause="kubernetes.container.oom_killed", confidence=0.9, decisive=False)
    crash = finding("crash", cause="kubernetes.container.crash", confidence=0.6, decisive=False)
    ranking = rank([healthy, oom, crash], rules_out={"memory_fine": ("kubernetes.container.oom_killed",)})
    assert [c.code for c in ranking.causes] == ["kubernetes.container.crash", "kubernetes.container.oom_killed"]


def test_a_change_on_the_same_object_speaks_for_its_cause() -> None:
    change = finding("rolled_out", cause="change.rollout", confidence=0.5, decisive=False, evidence=("E2",))
    with_change = rank([finding(confidence=0.8), change]).causes[0].confidence
    assert with_change > rank([finding(confidence=0.8)]).causes[0].confidence


def test_suppressed_findings_do_not_count() -> None:
    assert rank([finding(suppressed_by="other")]).causes == ()


@given(
    st.lists(
        st.builds(
            finding,
            id=st.sampled_from(["a", "b", "c"]),
            state=st.sampled_from(["true", "false", "unknown"]),
            cause=st.sampled_from(["", "kubernetes.image.not_found", "change.rollout", "node.pressure.memory"]),
            object=st.sampled_from([CHECKOUT, CART, "Node/a"]),
            confidence=st.floats(0, 1),
            decisive=st.booleans(),
            tainted=st.booleans(),
        ),
        max_size=8,
    )
)
def test_the_order_of_findings_does_not_matter_and_certainty_needs_clean_decisive_evidence(
    found: list[Finding],
) -> None:
    ranking = rank(found)
    backwards = rank(list(reversed(found)))
    assert ranking.verdict == backwards.verdict
    assert [(c.code, c.object) for c in ranking.causes] == [(c.code, c.object) for c in backwards.causes]
    assert all(0 <= c.confidence <= 0.99 for c in ranking.causes)
    if ranking.verdict == "confirmed":
        top = ranking.causes[0]
        assert any(f.decisive and not f.tainted and f.object == top.object and f.cause == top.code for f in found)


ONSET = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
AT_ONSET, LONG_BEFORE = "2026-11-22T02:58:00Z", "2026-11-20T11:00:00Z"
ABOUT_CART = Reach(targets=frozenset({CART}), onset=ONSET)


def test_trouble_on_what_the_alerts_object_depends_on_confirms() -> None:
    depends = replace(ABOUT_CART, calls=frozenset({"Service/shop/checkout", CHECKOUT}))
    assert rank([finding(since=LONG_BEFORE)], reach=depends).verdict == "confirmed"
    traced = replace(ABOUT_CART, calls=frozenset({"service/checkout"}))
    assert rank([finding()], reach=traced).verdict == "confirmed"


def test_certain_trouble_elsewhere_is_not_the_alerts_cause() -> None:
    """A cluster always has something that is broken."""
    elsewhere = replace(ABOUT_CART, calls=frozenset({"Service/shop/ledger", "Deployment/shop/ledger"}))
    late, early = rank([finding(since=AT_ONSET)], reach=elsewhere), rank([finding(since=LONG_BEFORE)], reach=elsewhere)
    assert (late.verdict, early.verdict) == ("likely", "inconclusive")
    assert early.caveats == ("not confirmed: nothing that was seen makes the alert's own object depend on checkout",)


def test_where_dependencies_are_not_known_time_decides() -> None:
    assert rank([finding(since=AT_ONSET)], reach=ABOUT_CART).verdict == "confirmed"
    for unknown, verdict in ((finding(since=LONG_BEFORE), "inconclusive"), (finding(), "likely")):
        ranking = rank([unknown], reach=ABOUT_CART)
        assert ranking.verdict == verdict
        assert ranking.caveats[0].startswith(
            "not confirmed: nothing shows that the alert's own object depends on checkout"
        )


def test_what_has_been_broken_for_long_goes_after_what_began_with_the_alert() -> None:
    ledger = "Deployment/shop/ledger"
    weaker = finding("probe", object=ledger, confidence=0.7, decisive=False, since=AT_ONSET)
    for reach in (ABOUT_CART, replace(ABOUT_CART, calls=frozenset({ledger}))):
        ranking = rank([finding(since=LONG_BEFORE), weaker], reach=reach)
        assert (ranking.verdict, ranking.causes[0].object) == ("likely", ledger)


def test_a_logs_own_clock_does_not_make_trouble_old() -> None:
    words = finding(
        "words", cause="database.credentials_invalid", tainted=True, since="2024-01-01T00:00:00Z", confidence=0.7
    )
    crash = finding("crash", cause="", severity="high", since=AT_ONSET, confidence=0.5, decisive=False)
    ranking = rank([words, crash], reach=ABOUT_CART)
    assert (ranking.verdict, ranking.causes[0].code) == ("likely", "database.credentials_invalid")


def test_something_new_on_an_object_counts_whatever_was_wrong_with_it_for_long() -> None:
    chronic = finding("chronic", cause="", severity="medium", since=LONG_BEFORE)
    assert rank([chronic, finding(since=AT_ONSET)], reach=ABOUT_CART).verdict == "confirmed"


def test_an_alert_that_names_no_object_is_about_what_began_with_it() -> None:
    nameless = Reach(onset=ONSET)
    new = finding("probe", object=CART, confidence=0.7, decisive=False, since=AT_ONSET)
    ranking = rank([finding(since=LONG_BEFORE), new], reach=nameless)
    assert ranking.causes[0].object == CART
    assert rank([finding(since=LONG_BEFORE)], reach=nameless).verdict == "likely"
    assert (
        rank([finding()], reach=nameless).verdict
        == rank([finding(since=AT_ONSET)], reach=nameless).verdict
        == "confirmed"
    )


def test_an_object_that_looks_well_is_not_killed_by_another_ones_trouble() -> None:
    killed = replace(ABOUT_CART, own_symptom=True)
    ranking = rank([finding(since=AT_ONSET)], reach=killed)
    assert (ranking.verdict, ranking.beside) == ("inconclusive", True)
    assert ranking.suspect is not None
    seen = finding("oom", object=CART, cause="kubernetes.container.oom_killed", severity="critical")
    assert rank([finding(since=AT_ONSET), seen], reach=killed).causes[0].object == CART


def test_nodes_and_namespaces_are_around_everything() -> None:
    for around in ("Node/worker-1", "Namespace/shop", "PersistentVolumeClaim/shop/data", CART, "Service/shop/cart"):
        assert rank([finding(object=around)], reach=ABOUT_CART).verdict == "confirmed"


def test_another_machine_is_not_the_one_that_the_alert_names() -> None:
    reach = Reach(targets=frozenset({"Node/worker-2"}), onset=ONSET)
    assert rank([finding(object="Node/worker-2")], reach=reach).verdict == "confirmed"
    assert rank([finding(object="Node/worker-1", since=LONG_BEFORE)], reach=reach).verdict == "inconclusive"


def test_an_alert_that_tells_no_time_began_about_when_it_was_seen() -> None:
    alert = Alert(source="slack", name="n", namespace="shop", workload="Deployment/cart")
    reach = Reach.of(alert, [], seen=ONSET)
    assert rank([finding(since=AT_ONSET)], reach=reach).verdict == "confirmed"
    assert rank([finding(since=LONG_BEFORE)], reach=reach).verdict == "inconclusive"


def test_the_owner_of_a_named_pod_is_the_alerts_own() -> None:
    alert = Alert(source="a", name="n", namespace="shop", pod="checkout-7d9f8c6b5-x8k2p")
    assert rank([finding()], reach=Reach.of(alert, [], own_symptom=True)).verdict == "confirmed"
