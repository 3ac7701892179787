"""Names that follow from what they name, so that a restarted process finds its own work again without asking."""

import hashlib


def investigation_id(key: str) -> str:
    """The id of the investigation that a work key starts: ``inv-`` and ten hexadecimal digits; the same key gives the same id."""
    return "inv-" + hashlib.sha256(key.encode()).hexdigest()[:10]


def incident_id(channel: str, fingerprint: str) -> str:
    """The id of the incident that an alert of this fingerprint belongs to in this channel."""
    return "inc-" + hashlib.sha256(f"{channel}\x00{fingerprint}".encode()).hexdigest()[:10]
