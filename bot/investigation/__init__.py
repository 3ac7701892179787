"""One alert in, one `Report` out: steps, findings, verdict, analyst, grounding, rendering. No Slack, no database, no clock but its own."""
