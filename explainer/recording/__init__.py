"""From a picture and a prompt to a `Run`: the one step that needs the model."""
