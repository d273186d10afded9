"""The record of one answer: its schema, its file, its checks and where it is kept."""
