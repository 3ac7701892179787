"""What happened before: the SQL store of incidents, investigations, step journal, reports, messages and feedback."""
