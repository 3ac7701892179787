"""Names of databases and collections, as arguments. The patterns keep out what the protocol forbids and what could be an injection."""

DATABASE = r"[A-Za-z0-9_-]{1,63}"
COLLECTION = r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,150}"
OPTIONAL = rf"^({DATABASE}(\.{COLLECTION})?)?$"
FULL = rf"^{DATABASE}\.{COLLECTION}$"


def parts(namespace: str) -> tuple[str, str]:
    """``db`` and ``collection`` of ``db.collection``; the collection is "" where there is none."""
    database, _, collection = namespace.partition(".")
    return database, collection
