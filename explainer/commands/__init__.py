"""The commands of `python -m explainer`, one module each, imported when needed."""
