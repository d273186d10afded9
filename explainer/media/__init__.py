"""Read pictures and videos, and fill hidden parts of pictures."""
