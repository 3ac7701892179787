"""The Web API's methods, one module a family. Each takes the world and the caller's arguments and answers the body, or raises a
`SlackError`. `registry` collects them; importing this package registers all."""

from sandbox.workspace.methods import chat, conversations, files, people, reactions, status, streaming, views

__all__ = ["chat", "conversations", "files", "people", "reactions", "status", "streaming", "views"]
