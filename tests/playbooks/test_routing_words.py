"""Why an alert reaches its family though no rule set that we know wrote it: other languages, the clouds' names, titles by hand.

Each reason has its look-alike beside it, which must not reach a machine, a cluster or a store: not every word that means space means a disk,
and a store's memory is not a machine's.
"""

import json

import pytest

from bot.playbooks.loader import load_library
from bot.playbooks.router import Router, route_line

SPECIFIC = ("k8s.", "mongodb.", "clickhouse.", "host.")


@pytest.fixture(scope="module")
def router() -> Router:
    return Router(load_library())


def family(router: Router, name: str, query: str = "") -> str:
    return str(route_line(router, json.dumps({"name": name, "expr": query}))["family"])


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Festplatte auf app-02 ist zu 95 % belegt", "host.disk"),
        ("Speicherplatz auf Server app-02 wird knapp", "host.disk"),
        ("Espace disque insuffisant sur app-02", "host.disk"),
        ("Espacio en disco bajo en app-02", "host.disk"),
        ("app-02 ディスク容量が不足しています", "host.disk"),
        ("Mémoire saturée sur le serveur app-02", "host.memory"),
        ("El servidor app-02 usa demasiada memoria", "host.memory"),
        ("CPU trop élevé sur le serveur app-02", "host.cpu"),
        ("Pod ledger-0 redémarre sans cesse", "k8s.pod"),
        ("Kubernetes-Knoten app-02 ist nicht erreichbar", "k8s.node"),
        ("Zu viele Verbindungen zur MongoDB", "mongodb.connections"),
        ("Retraso de la replicación de MongoDB", "mongodb.replication"),
        ("Slow queries seen on the ledger's ClickHouse", "clickhouse.queries"),
        ("Elevated error rate for checkout", "service.errors"),
    ],
)
def test_titles_by_hand_and_in_other_languages(router: Router, name: str, wanted: str) -> None:
    assert family(router, name) == wanted


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("Percentage CPU > 90", "host.cpu"),
        ("compute.googleapis.com/instance/cpu/utilization > 0.9", "host.cpu"),
        ("Available Memory Bytes < 500000000", "host.memory"),
        ("agent.googleapis.com/disk/percent_used > 90", "host.disk"),
        ("kubernetes.io/container/restart_count > 5", "k8s.pod"),
        ("ContainerInsights cluster_failed_node_count > 0", "k8s.node"),
    ],
)
def test_the_clouds_names_of_the_same_figures(router: Router, query: str, wanted: str) -> None:
    assert family(router, "Azure, AWS or Google alert", query) == wanted


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("Speicherplatz im Postfach wird knapp", ""),
        ("Mémoire du rapport annuel en retard", ""),
        ("Redis: Arbeitsspeicher auf dem Server fast voll", ""),
        ("Postgres server CPU zu hoch", ""),
        ("Nodo de pago no disponible", ""),
        ("Jobs did not complete in the Spark pipeline", ""),
        ("Zu viele Verbindungen am Gateway", ""),
        ("Database disk", "cloudsql.googleapis.com/database/disk/utilization > 0.9"),
    ],
)
def test_look_alikes_stay_away(router: Router, name: str, query: str) -> None:
    assert not family(router, name, query).startswith(SPECIFIC)
