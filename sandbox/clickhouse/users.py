"""Who may ask the embedded engine, and for what.

The embedded build has one user and cannot add others, so the front keeps the table: a password, a settings profile that the engine
itself enforces (``readonly``, limits), and grants on tables that are checked before a statement runs. Row filters by SHOW TABLES are not
imitated.
"""

import hmac
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any


def words(text: str) -> list[str]:
    """The words of a closed list."""
    return text.split()


# Tables every user may read, as on a server.
_OPEN = frozenset(
    f"system.{name}"
    for name in words(
        "one numbers numbers_mt zeros databases tables columns settings functions formats contributors "
        "build_options time_zones current_roles enabled_roles table_engines table_functions data_type_families "
        "collations privileges licenses"
    )
)
_FUNCTIONS = frozenset(
    {"numbers", "numbers_mt", "zeros", "generateseries", "values", "view", "clusterallreplicas", "cluster", "merge"}
)
_READS = ("select", "with", "show", "describe", "desc", "explain", "exists", "use")
_NAME = r"`[^`]+`|\"[^\"]+\"|[A-Za-z_][\w$]*"
_TABLE = re.compile(
    rf"(?i)(?:\b(?:from|join|into)|\A(?:describe|desc|exists))\s+(?:table\s+)?({_NAME})\s*(?:\.\s*({_NAME}))?\s*(\()?"
)
_NESTED = re.compile(r"(?i)\b(?:clusterAllReplicas|cluster)\s*\([^,()]+,\s*([\w$]+)\s*[.,]\s*([\w$]+)")
_NOISE = re.compile(r"(?s)'(?:[^'\\]|\\.|'')*'|--[^\n]*|/\*.*?\*/")


@dataclass(frozen=True)
class User:
    """``profile`` are settings in force for every statement; ``select`` are globs over ``database.table``; ``admin`` may do anything."""

    name: str
    password: str = ""
    profile: dict[str, str] = field(default_factory=dict)
    select: tuple[str, ...] = ()
    admin: bool = False
    grants: tuple[str, ...] = ()  # lines of SHOW GRANTS; made from ``select`` when empty

    def grant_lines(self) -> list[str]:
        """What ``SHOW GRANTS`` answers."""
        if self.grants:
            return list(self.grants)
        if self.admin:
            return [f"GRANT ALL ON *.* TO {self.name} WITH GRANT OPTION"]
        return [
            f"GRANT SHOW ON *.* TO {self.name}",
            *(f"GRANT SELECT ON {glob} TO {self.name}" for glob in self.select),
        ]

    def refusal(self, statement: str) -> str:
        """Why ``statement`` may not run, in ClickHouse's words; "" when it may."""
        if self.admin:
            return ""
        text = _NOISE.sub("''", statement).strip().lstrip("(")
        kind = text.split(None, 1)[0].lower() if text else ""
        if kind not in _READS:
            return self._says(f"{kind.upper()} ON *.*")
        local = set(re.findall(r"(?i)(?:\bwith|,)\s+([A-Za-z_]\w*)\s+as\s*\(", text))
        for first, second, call in _TABLE.findall(text):
            if call:
                if first.lower() not in _FUNCTIONS:
                    return self._says(f"READ ON {first.upper()}")
                continue
            if not second and first in local:
                continue
            names = [part.strip('`"') for part in ((first, second) if second else ("default", first))]
            name = ".".join(names)
            if kind != "show" and not self.may_read(name):
                return self._says(f"SELECT ON {name}")
        for database, table in _NESTED.findall(text):
            if not self.may_read(f"{database}.{table}"):
                return self._says(f"SELECT ON {database}.{table}")
        return ""

    def may_read(self, table: str) -> bool:
        return table in _OPEN or any(fnmatchcase(table, glob) for glob in self.select)

    def _says(self, grant: str) -> str:
        return f"{self.name}: Not enough privileges. To execute this query, it's necessary to have the grant {grant}. (ACCESS_DENIED)"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "User":
        return cls(**{**data, "select": tuple(data.get("select", ())), "grants": tuple(data.get("grants", ()))})


# The profile that the documentation asks operators to create for the bot.
READ_ONLY_PROFILE = {
    "readonly": "1",
    "max_execution_time": "20",
    "timeout_overflow_mode": "throw",
    "max_result_rows": "2000",
    "max_result_bytes": "8388608",
    "result_overflow_mode": "throw",
    "max_rows_to_read": "2000000000",
    "max_bytes_to_read": "20000000000",
    "read_overflow_mode": "throw",
    "max_memory_usage": "2000000000",
    "max_threads": "4",
}
ADMIN = User("default", admin=True)
READER = User("rca_bot", "reader", READ_ONLY_PROFILE, ("system.*", "signoz_*.*"))
USERS = (ADMIN, READER)


class UserTable:
    """Users by name."""

    def __init__(self, users: Iterable[User] = USERS) -> None:
        self._users = {user.name: user for user in users}

    def login(self, name: str, password: str) -> User | None:
        """The user, or ``None`` when name or password are wrong."""
        user = self._users.get(name)
        if user is None or not hmac.compare_digest(user.password.encode(), password.encode()):
            return None
        return user
