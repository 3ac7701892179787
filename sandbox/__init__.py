"""Stand-ins for what cannot run here: a Slack workspace, recorded clusters, a scripted model. Each speaks the real protocol."""
