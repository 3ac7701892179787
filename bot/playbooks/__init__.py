"""YAML to `Playbook`, `Alert` to `Playbook`: model, expressions, loading, routing, linting, inline tests. Runs no tool."""
