"""The Kubernetes server: read-only tools over one cluster. No Secret, no exec and no write can be asked for from here.

`kinds` and `wire` decide what may be requested at all, `client` reads, `objects` and the ``*_signals`` modules judge raw JSON without any
connection, ``tools_*`` put the two together, `server` registers the tools.
"""
