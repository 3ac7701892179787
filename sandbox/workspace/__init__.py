"""A Slack workspace on this machine: Web API, Socket Mode and a page, for the demo and for tests.

What comes in here: the part of Slack's behaviour that an app can notice (limits, error codes, event shapes, redelivery), with
unmodified slack_bolt and slack_sdk as the measure. What may not come in: anything of the bot. `server.Workspace` is the door.
"""
