"""What the bot counts about itself, in a registry of its own.

Labels hold closed sets only (outcomes, methods, servers and tools that are configured), never anything a message says: an attacker who
can post an alert must not be able to grow the registry.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 180, 300)


class Metrics:
    """One process's metrics; ``METRICS`` is the one that the bot uses, tests make their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        r = self.registry
        self.alerts_received = Counter(
            "rca_alerts_received", "Messages seen in alert channels", ["outcome"], registry=r
        )  # started, late, folded, resolved, ignored, idle, unparsed, repeated, over_budget
        self.investigations_started = Counter("rca_investigations_started", "Investigations begun", registry=r)
        self.investigations_finished = Counter(
            "rca_investigations_finished", "Investigations ended", ["verdict"], registry=r
        )  # confirmed, likely, inconclusive, stopped, failed
        self.investigation_seconds = Histogram(
            "rca_investigation_seconds", "From start to verdict", buckets=_SECONDS, registry=r
        )
        self.first_sign_seconds = Histogram(
            "rca_first_sign_seconds", "From the alert's event to the first visible sign", buckets=_SECONDS, registry=r
        )
        self.tool_calls = Counter("rca_tool_calls", "Tool calls", ["server", "tool", "status"], registry=r)
        self.tool_seconds = Histogram(
            "rca_tool_seconds", "Duration of tool calls", ["server", "tool"], buckets=_SECONDS, registry=r
        )
        self.model_calls = Counter("rca_model_calls", "Calls of the model", ["model"], registry=r)
        self.model_tokens = Counter("rca_model_tokens", "Tokens of the model", ["model", "direction"], registry=r)
        self.model_usd = Counter("rca_model_usd", "Estimated cost of the model in US dollars", ["model"], registry=r)
        self.connections = Gauge("rca_connections", "Open Socket Mode connections", registry=r)
        self.running = Gauge("rca_investigations_running", "Investigations running now", registry=r)
        self.server_up = Gauge("rca_server_up", "1 while a tool server is connected", ["server"], registry=r)
        self.build = Gauge("rca_build_info", "1, labelled with the version", ["version"], registry=r)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


METRICS = Metrics()
