"""A recorded cluster behind the read half of the Kubernetes API, for the demo and for tests. It answers reads and refuses writes."""
