"""Text and tokens: user text without markup, and tokens of whole characters."""
