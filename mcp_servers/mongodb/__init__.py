"""The MongoDB server: read-only tools over one deployment's statistics. No document of a user's collection can be asked for.

`wire` decides what may be sent at all, `client` sends it to each member by itself, `privileges` refuses a credential that could write,
`shapes` takes the literals out of commands. `connections`, `status`, `replication`, `slow`, `operations` and `collection` judge raw replies
without any connection; ``tools_*`` put the two together.

Atlas is the second source, beside the driver or instead of it: `atlas_client` asks it, `atlas_series` and `atlas_health` turn its
measurements into the replies that the same functions judge, `atlas_page` completes the driver's answers, `atlas_changes` reads events.
"""
