"""Everything that knows Slack: intake, cards, commands, mentions. Nothing else imports ``slack_*``.

Listeners only translate: an envelope becomes a `Work` for the runtime, a `Progress` or `Report` becomes blocks. No diagnosis here.
"""
