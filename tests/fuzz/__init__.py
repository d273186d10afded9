"""Readers of untrusted files, fed with damaged ones. Each module is a command with --minutes."""
