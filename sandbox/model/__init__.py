"""A scripted OpenAI-compatible model, for development and tests: the real protocol, answers that follow a script."""
