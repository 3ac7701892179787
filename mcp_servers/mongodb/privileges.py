"""What the credential may do: a diagnosis needs none of the actions that change or read users' data."""

import re
from typing import Any

Json = dict[str, Any]

_WRITES = re.compile(
    r"(?i)^(insert|update|remove|any(Action|Resource)|internal|shutdown|drop\w*|create\w*|rename\w*|grant\w*|revoke\w*|set\w+|kill(op|any\w*)"
    r"|collMod|compact|convertToCapped|enable\w+|bypass\w+|applyOps|repl(Set)(Reconfig|StateChange)|fsync|unlock|change\w*Password|changeCustomData"
    r"|changeOwn\w+|impersonate|addShard|removeShard|moveChunk|moveCollection|splitChunk|reshardCollection|unshardCollection|flushRouterConfig"
    r"|logRotate|reIndex|resync|restore\w*|analyze|cleanupOrphaned)$"
)
_POWERFUL = frozenset(
    {
        "root",
        "__system",
        "readWrite",
        "readWriteAnyDatabase",
        "dbAdmin",
        "dbAdminAnyDatabase",
        "dbOwner",
        "userAdmin",
        "userAdminAnyDatabase",
        "clusterAdmin",
        "clusterManager",
        "hostManager",
        "restore",
        "backup",
        "atlasAdmin",
        "enableSharding",
    }
)


class Credential:
    """Read from the reply to ``connectionStatus`` with ``showPrivileges``."""

    def __init__(self, reply: Json) -> None:
        info = reply.get("authInfo") or {}
        users = info.get("authenticatedUsers") or []
        self.user = f"{users[0].get('user', '?')}@{users[0].get('db', '?')}" if users else ""
        self.roles = sorted({str(r.get("role", "")) for r in info.get("authenticatedUserRoles") or []})
        self._privileges: list[Json] = info.get("authenticatedUserPrivileges") or []

    @property
    def writes(self) -> list[str]:
        """What it may do that changes something, in words; empty for a safe credential."""
        actions = {str(a) for p in self._privileges for a in p.get("actions") or []}
        found = [*(r for r in self.roles if r in _POWERFUL), *sorted(a for a in actions if _WRITES.match(a))]
        return found[:6]

    @property
    def reads_documents(self) -> bool:
        """Whether it may read users' collections, which no tool needs."""
        if any(r in ("read", "readAnyDatabase") for r in self.roles):
            return True
        # every database ("") or one of the users', and every collection of it
        return any(
            "find" in (p.get("actions") or [])
            and (p.get("resource") or {}).get("collection") == ""
            and (p.get("resource") or {}).get("db") not in ("local", "config", "admin", None)
            for p in self._privileges
        )
