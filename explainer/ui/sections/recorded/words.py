"""The words of the section that opens recorded answers."""

from __future__ import annotations

# Runs that were recorded before.
RECORDED = "Recorded answers"
OPEN_FILE = "Open a run from a file (.npz)"
OPENED = (
    "{model} was asked “{prompt}” and gave this answer. The maps show what in the picture speaks "
    "for the marked word. Click another word."
)
LONGEST_PROMPT = 80  # characters of the prompt in it
RUN_TOO_LARGE = "The file is larger than {most} MB, which no recorded run has to be."
RUN_EMPTY = "The run holds no words of a prompt or an answer, so there is nothing to explain."
