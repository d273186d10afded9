"""From a hub id or a folder to a loaded model: files, memory, devices, progress."""
