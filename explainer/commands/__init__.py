"""The commands of `python -m explainer`, one module each, imported only when asked for."""
