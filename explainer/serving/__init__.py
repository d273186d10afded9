"""Loaded models, load tasks and jobs of one server; no Gradio."""
