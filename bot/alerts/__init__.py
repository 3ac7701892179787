"""Message to `Alert`: flatten the Slack message, one module a sender, recognise values by shape, fingerprint. Pure functions, no I/O."""
