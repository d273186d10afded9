"""Exceptions with messages for users.

Every message says what happened and what to do; the page and the command line print it unchanged.
Any other exception is a defect of the program.
"""

from __future__ import annotations


class SightlineError(ValueError):
    """Base of all errors that carry a message for the user."""


class RunError(SightlineError):
    """A run is malformed, or lacks the requested data."""


class TokenError(RunError):
    """A token index does not name a text token of the run."""


class ScaleError(RunError):
    """A scale factor was not recorded, or the model cannot be run at it."""


class LayerError(RunError):
    """A decoder layer was not recorded, or the model has no such layer."""


class MethodError(SightlineError):
    """There is no such method or preset."""


class KnobError(MethodError):
    """A method has no such knob, or the value is out of its range or of the wrong type."""


class ImageError(SightlineError):
    """The picture is missing, unreadable, too large, or has no usable pixels."""


class VideoError(ImageError):
    """The video is missing, unreadable, too long or too large, or the model takes none."""


class PromptError(SightlineError):
    """The prompt cannot be used, for instance because it is too long for the model."""


class ModelError(SightlineError):
    """The model cannot be loaded or run."""


class OutputError(SightlineError):
    """A file or folder cannot be written."""


class Cancelled(SightlineError):
    """The caller cancelled the work; nothing was kept."""


class LoadCancelled(SightlineError):
    """The caller cancelled the load of a model; nothing was kept."""


class BusyError(SightlineError):
    """Too many callers already wait, or the call would take too long for a shared model."""
