"""Serve models to many callers: loaded models, jobs, and their scheduling. No Gradio."""
