"""What all servers share: envelope, signals, strict tools, time ranges, redaction, log templates, transports."""
