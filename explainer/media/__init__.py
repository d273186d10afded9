"""Pictures and videos from people, and what covers a hidden part of a picture."""
