"""Load models from a hub id or a folder: files, memory, devices, progress."""
