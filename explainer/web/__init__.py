"""What the browser gets: messages, scripts, and the page in one file; no Gradio."""
