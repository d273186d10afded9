"""One file for each model family: the facts that recording needs."""
