"""The pictures or the video that a person or a program asks about."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from explainer.errors import ImageError, SightlineError, VideoError
from explainer.media import lane
from explainer.media.images import open_image, open_images
from explainer.media.video import is_video, open_video
from explainer.run import Video
from explainer.serving.jobs import Media
from explainer.web import texts

MOST_FILES = 32  # opened for one request; models take fewer


def inputs(source: Any, more: Any, prompt: Any) -> tuple[Media, str, tuple[str, ...]]:
    """Return the pictures or the video, the prompt, and notes on what was changed in them."""
    if prompt is not None and not isinstance(prompt, str):
        raise SightlineError(texts.BAD_REQUEST)
    media, notes = _media(source, more)
    if prompt and prompt.strip():
        return media, prompt, notes
    return media, texts.DEFAULT_PROMPT, (*notes, texts.EMPTY_PROMPT)


def _media(source: Any, more: Any) -> tuple[Media, tuple[str, ...]]:
    """Return the pictures, or the frames of the video, and notes on them."""
    files = [more] if isinstance(more, str) else more or []
    if not isinstance(files, (list, tuple)) or len(files) > MOST_FILES:
        raise SightlineError(texts.BAD_REQUEST)
    sources = [*([] if source is None else [source]), *files]
    if not sources:
        raise ImageError(texts.NO_IMAGE)
    if any(isinstance(s, str) and not Path(s).exists() for s in sources):  # deleted just now
        raise ImageError(texts.NO_UPLOAD)
    if any(is_video(s) for s in files):
        if len(sources) > 1:
            raise VideoError(texts.VIDEO_ALONE)
        return lane.VIDEOS.run(partial(open_video, multiple=2), files[0])
    return open_images(sources, partial(lane.PICTURES.run, open_image))


def media_bytes(media: Media) -> bytes:
    """Return bytes that stand for what is asked about, to tell runs apart."""
    arrays = (media.frames, media.times) if isinstance(media, Video) else media
    return b"".join(repr((a.shape, a.dtype.str)).encode() + a.tobytes() for a in arrays)
