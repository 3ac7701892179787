"""A shop's telemetry, generated: 40 minutes of a normal life and then, in the last ten, one incident.

``web`` calls ``cart`` and ``orders``; ``orders`` calls ``payments``, which asks its database. Deterministic: a seed, no clock of its own.
"""

# ruff: noqa: S311 (a simulation, not a secret)

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.telemetry.load import Recording

Json = dict[str, Any]
SCENARIOS = ("normal", "error-burst", "latency-step", "new-version", "exception", "missing-data")
STREET = "every-incident"
END_NS = 1_700_000_000 * 10**9
LENGTH_S = 2400
INCIDENT_S = 600
_EVERY_S = 4.0
_RATE = 1 / _EVERY_S
_SERVICES = ("web", "cart", "orders", "payments")
_BOUNDS = ("0.01", "0.05", "0.1", "0.5", "+Inf")


@dataclass(frozen=True)
class Call:
    """One operation of a service, how long it works itself (ms) and what it calls in turn."""

    service: str
    name: str
    own_ms: float
    calls: tuple["Call", ...] = ()
    kind: str = "server"
    system: str = ""


_SELECT = Call("payments", "SELECT payments.card", 4, kind="client", system="postgresql")
_PAY = Call("payments", "POST /pay", 12, (_SELECT,))
_ORDER = Call("orders", "POST /orders", 8, (_PAY,))
_CART = Call("cart", "GET /cart", 5)
_ROOT = Call("web", "POST /checkout", 6, (_CART, _ORDER))


class _Hour:
    """One run of the shop."""

    def __init__(self, scenario: str, seed: int) -> None:
        self.scenario = scenario
        self.random = random.Random(seed)
        self.recording = Recording(END_NS)

    def run(self) -> Recording:
        start = END_NS - LENGTH_S * 10**9
        at = 0.0
        while at < LENGTH_S - 5:
            at += self.random.uniform(0.5, 1.5) * _EVERY_S
            self.incident = at >= LENGTH_S - INCIDENT_S and self.scenario != "normal"
            trace = f"{self.random.getrandbits(128):032x}"
            self._call(_ROOT, trace, "", start + int(at * 1e9))
        self.recording.metrics += self._metrics(start)
        return self.recording

    def _call(self, call: Call, trace: str, parent: str, at: int) -> tuple[int, bool]:
        """Writes the spans and logs below ``call``; gives the end (ns) and whether it failed."""
        span = f"{self.random.getrandbits(64):016x}"
        here = self.incident and call is _PAY
        own = call.own_ms * self.random.uniform(0.8, 1.3) + (400 if here and self.scenario == "latency-step" else 0)
        end, failed = at + int(own * 5e5), False
        for below in call.calls:
            end, bad = self._call(below, trace, span, end + 200_000)
            failed = failed or bad
        end += int(own * 5e5)
        odds = 0.7 if self.scenario in ("error-burst", "exception", "new-version") else 0
        own_fault = here and self.random.random() < odds
        row: Json = {
            "trace_id": trace,
            "span_id": span,
            "parent_span_id": parent,
            "service": call.service,
            "name": call.name,
        }
        row |= {
            "start_ns": at,
            "end_ns": end,
            "kind": call.kind,
            "pod": f"{call.service}-6d4cf56db6-x7k2p",
            "namespace": "shop",
        }
        row |= {
            "version": "1.5.0"
            if self.incident and self.scenario == "new-version" and call.service == "payments"
            else "1.4.2"
        }
        status = "500" if failed or own_fault else "200"
        row["attributes"] = (
            {"db.system": call.system, "db.operation": "SELECT"}
            if call.system
            else {"http.response.status_code": status}
        )
        if (failed or own_fault) and not call.system:
            row |= {"error": True, "status_message": "card gateway refused" if own_fault else "upstream answered 500"}
        if own_fault and self.scenario == "exception":
            row["exception"] = {
                "type": "CardGatewayError",
                "message": f"gateway said no to order {self.random.randrange(10**6)}",
                "stacktrace": "CardGatewayError: no\n  at Gateway.charge(Gateway.java:41)\n  at Payments.pay(Payments.java:17)",
            }
        silent = self.incident and self.scenario == "missing-data" and call.service == "payments"
        if not silent:
            self.recording.spans.append(row)
            self._log(call, row, own_fault)
        return end, failed or own_fault

    def _log(self, call: Call, row: Json, own_fault: bool) -> None:
        if call.system:
            return
        number = self.random.randrange(10**6)
        line = {k: row[k] for k in ("trace_id", "span_id", "service", "pod", "namespace", "version")} | {
            "time_ns": row["end_ns"]
        }
        self.recording.logs.append(
            {
                **line,
                "severity": "INFO",
                "body": f"{call.name} served order {number} in {(row['end_ns'] - row['start_ns']) // 10**6} ms",
            }
        )
        if own_fault:
            body = f"card gateway refused order {number}: connection refused to 10.0.3.7:8443 password=hunter{number}"
            self.recording.logs.append({**line, "severity": "ERROR", "body": body})

    def _metrics(self, start: int) -> Iterator[Json]:
        served = dict.fromkeys(_SERVICES, 0.0)
        buckets = {service: dict.fromkeys(_BOUNDS, 0.0) for service in _SERVICES}
        for second in range(0, LENGTH_S, 30):
            incident = second >= LENGTH_S - INCIDENT_S and self.scenario != "normal"
            for service in _SERVICES:
                here = incident and service == "payments"
                if here and self.scenario == "missing-data":
                    continue
                slow = here and self.scenario == "latency-step"
                row = {
                    "time_ns": start + second * 10**9,
                    "service": service,
                    "namespace": "shop",
                    "pod": f"{service}-6d4cf56db6-x7k2p",
                }
                busy = (0.9 if slow else 0.2) + self.random.uniform(0, 0.05)
                yield {**row, "name": "k8s.pod.cpu_limit_utilization", "unit": "1", "value": busy}
                yield {**row, "name": "k8s.pod.cpu.usage", "unit": "{cpu}", "value": busy / 2}
                held = 300e6 + self.random.uniform(0, 5e6)
                yield {**row, "name": "k8s.pod.memory.working_set", "unit": "By", "value": held}
                # A process that starts again counts from zero; half an hour in, that of ``orders`` does.
                served[service] = (0.0 if service == "orders" and second == 1800 else served[service]) + 30 * _RATE
                counter = {**row, "type": "Sum", "monotonic": True}
                yield {**counter, "name": "http.server.request.count", "unit": "{request}", "value": served[service]}
                for bound in _BOUNDS:
                    took = 0.4 if slow else 0.02
                    buckets[service][bound] += 30 * _RATE if bound == "+Inf" or took <= float(bound) else 0
                    yield {
                        **row,
                        "type": "Histogram",
                        "name": "http.server.request.duration.bucket",
                        "unit": "s",
                        "labels": {"le": bound},
                        "value": buckets[service][bound],
                    }


def generated(scenario: str = "normal", seed: int = 7) -> Recording:
    """The shop's last 40 minutes; `STREET` is a street of shops, one for each scenario, whose names their services bear.

    Raises `ValueError` for a scenario that is not one of `SCENARIOS`.
    """
    if scenario == STREET:
        return _street(seed)
    if scenario not in SCENARIOS:
        raise ValueError(f"{scenario!r} is not a scenario; known: {', '.join(SCENARIOS)}")
    return _Hour(scenario, seed).run()


def _street(seed: int) -> Recording:
    street = Recording(END_NS)
    for number, scenario in enumerate(SCENARIOS):
        shop = generated(scenario, seed + number)
        for rows, all_rows in ((shop.logs, street.logs), (shop.spans, street.spans), (shop.metrics, street.metrics)):
            all_rows += [
                row
                | {"service": f"{scenario}-{row['service']}", "pod": f"{scenario}-{row['pod']}", "namespace": scenario}
                for row in rows
            ]
    return street
