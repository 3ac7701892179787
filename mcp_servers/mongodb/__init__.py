"""The MongoDB server: read-only tools over one deployment's own statistics. No document of a user's collection can be asked for.

`wire` decides what may be sent at all, `client` sends it to each member by itself, `privileges` refuses a credential that could write,
`shapes` takes the literals out of commands. `connections`, `status`, `replication`, `slow`, `operations` and `collection` judge raw replies
without any connection; ``tools_*`` put the two together. Only the driver is a source here: Atlas' own API is not read.
"""
