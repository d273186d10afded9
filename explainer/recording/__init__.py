"""Record a `Run` from a picture and a prompt: the one step that needs the model."""
