"""One module a sender. Each offers ``parse(message) -> list[Alert] | None``; ``None`` means "not mine"."""
