"""The same alert in its sender's own list: found whatever its template dropped, completed only with what is certain."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bot.alerts.found_again import completed, query_of, same
from bot.alerts.model import Alert

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def told(pod: str = "checkout-7d9f8c6b5-x8k2p", **more) -> Alert:
    labels = {"alertname": "PodNotReady", "namespace": "shop", "pod": pod, "cluster": "eu", "severity": "warning"}
    values = {"namespace": "shop", "pod": pod, "cluster": "eu", "starts_at": NOON, "expr": "up == 0"}
    return Alert(source="alertmanager", name="PodNotReady", labels=labels, **(values | more))


def message(**more) -> Alert:
    return Alert(source="alertmanager", name="PodNotReady", fingerprint="f", **more)


def test_values_without_names_find_their_names() -> None:
    alert = message(values=("shop", "eu", "checkout-7d9f8c6b5-x8k2p", "warning"))
    found = same(alert, [told("cart-7d9f8c6b5-x8k2p"), told()])
    assert [a.pod for a in found] == ["checkout-7d9f8c6b5-x8k2p"]
    whole = completed(alert, found)
    assert (whole.namespace, whole.cluster, whole.starts_at, whole.expr) == ("shop", "eu", NOON, "up == 0")
    assert whole.labels["pod"] == "checkout-7d9f8c6b5-x8k2p"
    assert whole.values == ()
    assert whole.fingerprint == "f"


def test_another_alert_of_the_rule_is_not_this_one() -> None:
    assert same(message(labels={"pod": "db-0"}), [told()]) == ()
    assert same(message(namespace="bank"), [told()]) == ()
    assert same(message(values=("bank", "ledger")), [told()]) == ()
    assert same(Alert(source="alertmanager", name="Other"), [told()]) == ()


def test_a_new_pod_of_the_same_workload_is_the_same_trouble_and_its_name_is_not_borrowed() -> None:
    old = message(labels={"pod": "checkout-6c5d4b7f9-m2x8q"}, pod="checkout-6c5d4b7f9-m2x8q")
    assert same(old, [told()]) == (told(),)
    assert completed(old, [told()]).pod == "checkout-6c5d4b7f9-m2x8q"
    assert same(message(values=("shop", "checkout-6c5d4b7f9-m2x8q", "CrashLoopBackOff")), [told()]) == (told(),)


def test_the_severity_that_a_template_rewrote_is_no_difference() -> None:
    assert same(message(labels={"severity": "P2", "namespace": "shop"}), [told()]) == (told(),)


def test_what_candidates_disagree_on_stays_unknown() -> None:
    two = [told(), told("cart-7d9f8c6b5-x8k2p", starts_at=NOON.replace(hour=11))]
    whole = completed(message(), same(message(), two))
    assert (whole.namespace, whole.pod, whole.labels.get("pod")) == ("shop", "", None)
    assert whole.starts_at == NOON.replace(hour=11)  # the first of them


def test_what_the_message_says_wins() -> None:
    alert = message(labels={"namespace": "shop", "team": "a"}, namespace="shop", expr="mine")
    whole = completed(alert, [told()])
    assert (whole.expr, whole.labels["team"]) == ("mine", "a")


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4), st.lists(st.text(max_size=8), max_size=4))
def test_whatever_a_message_says_nothing_of_it_is_lost(labels, values) -> None:
    alert = message(labels=labels, values=tuple(values))
    whole = completed(alert, same(alert, [told()]))
    assert whole.labels.items() >= labels.items()
    assert completed(alert, ()) == alert


@given(st.text(max_size=60))
def test_any_address_is_read(url: str) -> None:
    assert isinstance(query_of(url), str)
    assert query_of("http://p/graph?g0.expr=up+%3D%3D+0&g0.tab=1") == "up == 0"
