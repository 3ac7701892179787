"""Durable work: the inbox, the workflow of an incident, cancellation, recovery. Knows DBOS and SQL; knows neither Slack nor Kubernetes.

What is accepted here survives ``kill -9``. The world outside is reached through the `Thread` protocol only.
"""
