"""The emoji world: generated scenes with exact masks, and the small models trained on them."""
