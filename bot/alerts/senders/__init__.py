"""One module a sender. Each offers ``parse(message, drafts) -> list[Alert] | None``; ``None`` means "not mine"."""
