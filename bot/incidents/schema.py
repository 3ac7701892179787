"""The tables of the history, and how they come to be.

Portable SQL only: what runs on SQLite runs on Postgres. Times are epoch seconds (UTC) as floats, JSON is text. The names carry a prefix
because the workflow engine keeps its own tables in the same SQLite file. A change of shape is a new entry in `MIGRATIONS`, never an edit.
"""

import time
from collections.abc import Callable

import sqlalchemy as sa

metadata = sa.MetaData()

schema_version = sa.Table(
    "rca_schema", metadata, sa.Column("version", sa.Integer, primary_key=True), sa.Column("at", sa.Float)
)

seen = sa.Table(
    "rca_seen",
    metadata,
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("at", sa.Float, nullable=False, index=True),
)

incident = sa.Table(
    "rca_incident",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("fingerprint", sa.String(128), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),  # firing | resolved
    sa.Column("alert", sa.Text, nullable=False),
    sa.Column("fired", sa.Integer, nullable=False, default=1),  # messages that said "firing"
    sa.Column("first_at", sa.Float, nullable=False),
    sa.Column("last_at", sa.Float, nullable=False),
    sa.Column("resolved_at", sa.Float),
    sa.Column("resolved_ts", sa.String(32), nullable=False, default=""),  # the message that said so
)

investigation = sa.Table(
    "rca_investigation",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("key", sa.String(255), nullable=False, unique=True),
    sa.Column("incident", sa.String(32), nullable=False, default="", index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("ts", sa.String(32), nullable=False),
    sa.Column("root", sa.String(32), nullable=False),  # the thread it is seen in
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("work", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("into", sa.String(32), nullable=False, default=""),  # folded into this investigation
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("cancelled_by", sa.String(128), nullable=False, default=""),
    sa.Column("playbook", sa.String(80), nullable=False, default=""),
    sa.Column("verdict", sa.String(16), nullable=False, default=""),
    sa.Column("headline", sa.Text, nullable=False, default=""),
    sa.Column("trouble", sa.Text, nullable=False, default=""),
    sa.Column("report", sa.Text),
    sa.Column("accepted_at", sa.Float, nullable=False, index=True),
    sa.Column("started_at", sa.Float),
    sa.Column("finished_at", sa.Float),
    sa.Index("rca_investigation_thread", "channel", "root"),
)

journal = sa.Table(
    "rca_journal",
    metadata,
    sa.Column("investigation", sa.String(32), primary_key=True),
    sa.Column("step", sa.String(80), primary_key=True),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

message = sa.Table(
    "rca_message",
    metadata,
    sa.Column("investigation", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("ts", sa.String(64), nullable=False, default=""),  # empty: about to be posted
    sa.Column("at", sa.Float, nullable=False),
)

feedback = sa.Table(
    "rca_feedback",
    metadata,
    sa.Column("investigation", sa.String(32), primary_key=True),
    sa.Column("user", sa.String(64), primary_key=True),
    sa.Column("value", sa.String(8), nullable=False),  # up | down
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("at", sa.Float, nullable=False),
)

channel = sa.Table(
    "rca_channel",
    metadata,
    sa.Column("channel", sa.String(64), primary_key=True),
    sa.Column("read_to", sa.Float, nullable=False),  # its messages up to here were taken, or are none of ours
)

place = sa.Table(
    "rca_place",
    metadata,
    sa.Column("investigation", sa.String(32), primary_key=True),
    sa.Column("into", sa.String(32), nullable=False, default=""),  # the leader that it joined; empty: it leads itself
    sa.Column("joining", sa.Text, nullable=False),  # JSON: what it is about
    sa.Column("fingerprint", sa.String(128), nullable=False, default=""),
    sa.Column("because", sa.String(400), nullable=False, default=""),
    sa.Column("loose", sa.Integer, nullable=False, default=0),
    sa.Column("told", sa.Integer, nullable=False, default=1),  # 0: its thread does not say yet where it went
    sa.Column("joined", sa.Integer, nullable=False, default=0),  # alerts that joined this leader
    sa.Column("shown", sa.Integer, nullable=False, default=0),  # of these, how many its card knows of
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("last_at", sa.Float, nullable=False),  # of a leader: when the newest alert joined
    sa.Index("rca_place_leads", "into", "last_at"),
    sa.Index("rca_place_untold", "told", "at"),
)

Migration = Callable[[sa.Connection], None]


def _first(connection: sa.Connection) -> None:
    metadata.create_all(connection)


def _channels(connection: sa.Connection) -> None:
    channel.create(connection, checkfirst=True)


def _storms(connection: sa.Connection) -> None:
    place.create(connection, checkfirst=True)


MIGRATIONS: tuple[Migration, ...] = (_first, _channels, _storms)


class SchemaTooNew(Exception):
    """The store was written by a newer version of the bot."""


def migrate(connection: sa.Connection) -> int:
    """Brings the schema to the newest version inside the caller's transaction; returns that version. Raises `SchemaTooNew`."""
    schema_version.create(connection, checkfirst=True)
    current = connection.execute(sa.select(sa.func.max(schema_version.c.version))).scalar() or 0
    newest = len(MIGRATIONS)
    if current > newest:
        raise SchemaTooNew(
            f"The store has schema version {current}, this program knows up to {newest}. "
            "Start a newer version of the bot or point store_url at another database."
        )
    for number in range(current + 1, newest + 1):
        MIGRATIONS[number - 1](connection)
        connection.execute(schema_version.insert().values(version=number, at=time.time()))
    return newest
