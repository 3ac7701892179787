"""Logs, metrics and health of the bot itself. Imported by everyone, imports nobody."""
