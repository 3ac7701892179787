"""Which running investigation an alert is part of, and why; when it is part of none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.alerts.model import Alert
from bot.alerts.storm import (
    BESIDE_S,
    CROWD_CLUSTER,
    CROWD_NAMESPACE,
    Joining,
    Kin,
    Lead,
    Place,
    fold,
    joining_of,
    place_of,
)

NOW = 1_000_000.0


def alert(name: str = "KubePodNotReady", **more: str) -> Alert:
    return Alert(source="alertmanager", name=name, fingerprint=more.pop("fingerprint", ""), **more)


def lead(about: Alert, *, id: str = "inv-lead", ago: float = 5, **more) -> Lead:
    joining = joining_of([about], more.pop("kin", ()))
    values = {"at": NOW - ago, "last_at": NOW - more.pop("last_ago", ago)}
    return Lead(id, about.fingerprint, joining, **(values | more))


def joins(late: Alert, *leads: Lead):
    return fold(joining_of([late]), late.fingerprint, leads, NOW)


CHECKOUT = alert(namespace="shop", pod="checkout-7d9f8c6b5-x8k2p", fingerprint="a")


def test_the_first_alert_leads() -> None:
    assert joins(CHECKOUT) is None


@pytest.mark.parametrize(
    ("late", "because", "loose"),
    [
        (alert("Other", fingerprint="a"), "the same alert", False),
        (alert("Errors", namespace="shop", workload="Deployment/checkout"), "also about checkout in shop", False),
        (alert("Errors", namespace="shop", service="checkout"), "also about checkout in shop", False),
        (alert("Errors", service="checkout"), "also about checkout in shop", True),
        (alert(namespace="shop", service="cart"), "KubePodNotReady fires beside it", True),
    ],
    ids=["fingerprint", "workload", "service", "no namespace known", "same rule beside it"],
)
def test_what_is_about_the_same_joins_and_says_why(late: Alert, because: str, loose: bool) -> None:
    found = joins(late, lead(CHECKOUT))
    assert found is not None
    assert (found.into, found.because, found.loose) == ("inv-lead", because, loose)


@pytest.mark.parametrize(
    "late",
    [
        alert("Errors", namespace="shop", service="cart"),
        alert("Errors", namespace="billing", service="checkout"),
        alert("Errors", cluster="us-1", namespace="shop", service="checkout"),
        alert("Errors"),
        alert(namespace="billing", service="cart"),
    ],
    ids=["other service", "other namespace", "other cluster", "names nothing", "same rule elsewhere"],
)
def test_what_is_about_something_else_leads_itself(late: Alert) -> None:
    about = CHECKOUT.model_copy(update={"cluster": "eu-1"})
    assert joins(late, lead(about)) is None


def test_what_runs_on_a_failing_node_joins_the_nodes_alert_but_two_pods_on_one_node_do_not_join() -> None:
    node = alert("KubeNodeNotReady", node="worker-7")
    pod = alert("KubePodNotReady", namespace="shop", pod="cart-7d9f8c6b5-x8k2p", node="worker-7")
    found = joins(pod, lead(node))
    assert found is not None
    assert (found.because, found.loose) == ("same node worker-7", False)
    assert joins(alert("Errors", namespace="bank", service="ledger", node="worker-7"), lead(pod)) is None
    assert joins(node, lead(pod)) is None  # the wider trouble is looked at by itself


def test_a_playbook_may_declare_what_its_trouble_drags_along() -> None:
    kin = (Kin(same="namespace", names=("Kube*",)),)
    mongo = alert("MongodbDown", namespace="shop", service="carts-db")
    found = joins(alert("KubePodCrashLooping", namespace="shop", service="orders"), lead(mongo, kin=kin))
    assert found is not None
    assert (found.because, found.loose) == ("same namespace, which MongodbDown drags along", True)
    assert joins(alert("Disk", namespace="shop", service="orders"), lead(mongo, kin=kin)) is None
    assert joins(alert("KubePodCrashLooping", namespace="bank", service="orders"), lead(mongo, kin=kin)) is None


def test_a_pattern_that_cannot_be_used_is_refused_where_it_is_declared() -> None:
    with pytest.raises(ValueError, match="not a regular expression"):
        Kin(same="node", names=("/(/",))


def test_a_leader_with_its_verdict_takes_in_only_more_of_a_storm_that_goes_on() -> None:
    again = alert("Errors", namespace="shop", service="checkout")
    assert joins(again, lead(CHECKOUT, over=True)) is None
    assert joins(again, lead(CHECKOUT, over=True, joined=1)) is not None
    assert joins(again, lead(CHECKOUT, over=True, joined=1, ago=900, last_ago=BESIDE_S + 1)) is None
    assert joins(alert(namespace="shop", service="cart"), lead(CHECKOUT, over=True, joined=9)) is None


def test_loose_reasons_fade_with_time_close_ones_do_not() -> None:
    old = lead(CHECKOUT, ago=BESIDE_S + 1)
    assert joins(alert(namespace="shop", service="cart"), old) is None
    assert joins(alert("Errors", namespace="shop", service="checkout"), old) is not None


def test_many_leaders_within_a_minute_make_a_crowd_that_takes_in_everything_near() -> None:
    def crowd(size: int, namespace: str = "") -> list[Lead]:
        return [
            lead(alert(f"Rule{n}", namespace=namespace or f"team-{n}", service=f"s{n}"), id=f"inv-{n}", ago=30 - n)
            for n in range(size)
        ]

    late = alert("Errors", namespace="shop", service="cart")
    assert joins(late, *crowd(CROWD_NAMESPACE - 1, "shop")) is None
    found = joins(late, *crowd(CROWD_NAMESPACE, "shop"))
    assert found is not None
    assert (found.into, found.because, found.loose) == ("inv-0", "a storm in shop", True)
    assert joins(late, *crowd(CROWD_CLUSTER - 1)) is None
    assert joins(late, *crowd(CROWD_CLUSTER)) is not None


def test_the_closest_relation_wins_then_the_oldest_leader() -> None:
    node = lead(alert("KubeNodeNotReady", node="worker-7"), id="inv-node", ago=60)
    first = lead(alert("Slow", namespace="shop", service="cart"), id="inv-b", ago=20)
    second = lead(alert("Errors", namespace="shop", service="cart"), id="inv-a", ago=10)
    late = alert("Traffic", namespace="shop", service="cart", node="worker-7")
    found = joins(late, second, node, first)
    assert found is not None
    assert found.into == "inv-b"


def test_a_message_that_speaks_of_other_places_too_joins_loosely() -> None:
    both = joining_of([CHECKOUT, alert(namespace="shop", service="payments")])
    found = fold(both, "a", [lead(CHECKOUT)], NOW)
    assert found is not None
    assert found.loose
    group = Lead("inv-group", "x", both, NOW - 5, NOW - 5)
    later = joins(alert("Errors", namespace="shop", service="payments"), group)
    assert later is not None
    assert (later.because, later.loose) == ("also about payments in shop", True)


names = st.sampled_from(["", "a", "b"])
places = st.builds(Place, cluster=names, namespace=names, name=names, node=names, rule=names)
leads = st.lists(
    st.builds(
        Lead,
        id=st.uuids().map(str),
        fingerprint=names,
        joining=places.map(lambda p: Joining(place=p)),
        at=st.floats(NOW - 200, NOW),
        last_at=st.floats(NOW - 200, NOW),
        joined=st.integers(0, 3),
        over=st.booleans(),
    ),
    max_size=12,
)


@given(places, names, leads, st.randoms())
def test_the_choice_does_not_depend_on_the_order_and_has_a_reason(place, fingerprint, those, random) -> None:
    shuffled = list(those)
    random.shuffle(shuffled)
    found = fold(Joining(place=place), fingerprint, those, NOW)
    assert found == fold(Joining(place=place), fingerprint, shuffled, NOW)
    if found is not None:
        into = next(one for one in those if one.id == found.into)
        assert found.because
        assert "" in (place.cluster, into.joining.place.cluster) or place.cluster == into.joining.place.cluster


def test_a_place_says_what_it_is_about() -> None:
    assert place_of(CHECKOUT).said == "checkout in shop"
    assert place_of(alert(pod="db-0")).said == "db"
    assert place_of(alert(node="worker-7")).said == "node worker-7"
    assert place_of(alert()).said == ""
