"""The ClickHouse server: read-only tools over a server's own system tables. No data of a table is read unless an operator allows
it.

`settings` and `client` decide what may be sent at all, `statements` holds every statement there is, `texts` takes literals out
of what strangers
wrote, ``tools_*`` ask and judge, `server` registers the tools. Where a table or column is missing, the answer says so.
"""
