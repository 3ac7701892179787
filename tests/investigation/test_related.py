"""What alerts that came together say: who changed most is the suspect, the others wait for it."""

from hypothesis import given
from hypothesis import strategies as st

from bot.alerts.lead import MAX_SIBLINGS, lead
from bot.alerts.model import Alert
from bot.investigation.related import MAX_ROWS, related
from bot.tools.evidence import Evidence


def group(**texts: str) -> Alert:
    first = Alert(source="test", name="FrontSlow", namespace="shop", service="front")
    others = [
        Alert(source="test", name="Anomaly", namespace="shop", service=name, description=text)
        for name, text in texts.items()
    ]
    return lead([first, *others])


def said(alert: Alert) -> Evidence:
    return related(alert, id="E1", step="related")


def test_the_first_firing_alert_leads_and_resolved_ones_are_no_evidence() -> None:
    over = Alert(source="test", name="Old", status="resolved")
    fires, other = Alert(source="test", name="A"), Alert(source="test", name="B")
    assert lead([over, fires, other]).name == "A"
    assert [s.name for s in lead([over, fires, other]).siblings] == ["B"]
    assert lead([over]) == over


def test_growth_is_measured_against_the_services_own_usual_value() -> None:
    found = said(group(front="p90: Normal=300ms -> Current=11s", rates="p90: Normal=8ms -> Current=9s"))
    assert [(s.subject, s.reason) for s in found.signals] == [("service/rates", "most"), ("service/front", "less")]
    assert found.signals[0].detail == "rates takes 9 s instead of 8 ms (1,125 times), the greatest growth of 2 services"
    assert found.summary.startswith("2 more alerts about 2 places; rates takes 9 s")


def test_next_to_nothing_is_no_measure_and_small_changes_are_none() -> None:
    found = said(
        group(
            idle="p90: Normal=0ms -> Current=2ms",
            slow="p90: Normal=10ms -> Current=900ms",
            calm="p90: Normal=10ms -> Current=12ms",
        )
    )
    assert [(s.subject, s.reason) for s in found.signals] == [("service/slow", "most"), ("service/idle", "less")]


def test_a_slow_service_that_uses_more_cpu_is_busy() -> None:
    found = said(group(rates="p90: Normal=8ms -> Current=9s\ncpu: Normal=0.1 cores -> Current=0.9 cores"))
    assert {(s.code, s.reason) for s in found.signals} == {("alert.latency_up", "busy"), ("alert.cpu_up", "most")}


def test_a_nodes_network() -> None:
    first = Alert(source="test", name="X", service="front")
    nodes = [
        Alert(source="test", name="Net", node=name, description=f"TCP retransmission: Normal=0.1 -> Current={now}")
        for name, now in (("worker-1", 0.7), ("worker-2", 6.7))
    ]
    found = said(lead([first, *nodes]))
    assert next((s.code, s.subject, s.reason) for s in found.signals) == ("alert.network_bad", "Node/worker-2", "most")


def test_a_share_of_successes_that_falls_is_errors() -> None:
    found = said(group(pay="Success rate: Normal=100.0% -> Cur=16.7%"))
    assert [(s.code, s.value, s.baseline) for s in found.signals] == [("alert.errors_up", 16.7, 100.0)]


def test_many_alerts_stay_bounded() -> None:
    crowd = lead(
        [
            Alert(source="t", name=f"A{n}", service=f"s{n}", description="p90: Normal=1ms -> Current=9s")
            for n in range(500)
        ]
    )
    assert len(crowd.siblings) == MAX_SIBLINGS
    assert len(said(crowd).signals) <= MAX_ROWS
    assert len(said(crowd).model_dump_json()) < 24_000


@given(st.lists(st.tuples(st.text(max_size=40), st.text(max_size=200)), max_size=8))
def test_any_texts_are_survived_and_the_answer_is_the_same_each_time(rows: list[tuple[str, str]]) -> None:
    alert = lead([Alert(source="t", name="L"), *(Alert(source="t", name=n, service=n, description=d) for n, d in rows)])
    assert said(alert).model_dump(exclude={"at"}) == said(alert).model_dump(exclude={"at"})
