"""How a pipeline is run: locally, or on an engine."""
