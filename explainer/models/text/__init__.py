"""Tokens: user text that stays plain text, and tokens that spell whole characters."""
