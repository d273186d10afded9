"""The sequences that a model reads: visual tokens, the text around them, and their tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from explainer.models.text.tokens import Piece, TextCodec
from explainer.run import TEMPLATE, Video, View

Media = Sequence[npt.NDArray[np.uint8]] | Video  # pictures, or the frames of a video


@dataclass(frozen=True, eq=False)
class InputPicture:
    """One picture, or one video, at one scale, ready for the vision tower.

    Attributes:
        views: the grids of its N visual tokens, the base view of each image first. `View.image` is
            0 for a picture, the number of the step for a video.
        tensors: what the base model's forward takes for the picture, on the CPU. Those of several
            pictures are joined along their first dimension.
        order: for each visual token, view after view, its place among the N in the order in which
            the model reads them; None where both orders are the same.
        layout: what stands for the picture in the sequence, in order: text, as the checkpoint's own
            processor writes it, and numbers of visual tokens, N in all. By default one run of N.
    """

    views: tuple[View, ...]
    tensors: Mapping[str, torch.Tensor]
    order: npt.NDArray[np.intp] | None = None
    layout: tuple[str | int, ...] = ()

    def __post_init__(self) -> None:
        if not self.layout:
            object.__setattr__(self, "layout", (len(self),))

    def __len__(self) -> int:
        return sum(map(len, self.views))

    @property
    def images(self) -> int:
        """Return the number of images: 1, or the steps of a video."""
        return 1 + max(view.image for view in self.views)

    @property
    def places(self) -> list[int]:
        """Return N indices: `order`, or 0 to N - 1."""
        return list(range(len(self))) if self.order is None else [int(i) for i in self.order]


@dataclass(frozen=True, eq=False)
class Inputs:
    """One sequence: text, with a block of visual tokens for each picture in it.

    Attributes:
        ids: L ids.
        visual: N positions of the visual tokens, view after view.
        roles: one role for each of the T text tokens.
        views: the grids of visual tokens on all pictures at this scale.
        tensors: what the base model's forward takes for the pictures, on the CPU.
    """

    ids: tuple[int, ...]
    visual: tuple[int, ...]
    roles: tuple[int, ...]
    views: tuple[View, ...]
    tensors: Mapping[str, torch.Tensor]

    @property
    def text_positions(self) -> list[int]:
        """Return the T positions of text tokens, in order."""
        visual = set(self.visual)
        return [p for p in range(len(self.ids)) if p not in visual]


class InputWriter:
    """Writes a sequence: text is encoded piece by piece, as visual tokens cut it."""

    def __init__(self, codec: TextCodec, placeholder: int) -> None:
        self.pictures: list[InputPicture] = []
        self._codec, self._placeholder = codec, placeholder
        self._pieces: list[Piece] = []  # written since the last visual token, without ids yet
        self._ids: list[int] = []
        self._roles: list[int] = []
        self._visual: list[int] = []

    def write(self, text: str, role: int = TEMPLATE) -> None:
        self._pieces.append((text, role))

    def write_picture(self, picture: InputPicture) -> None:
        """Write text and placeholders of a picture, and note where its visual tokens are."""
        at: list[int] = []
        for part in picture.layout:
            if isinstance(part, str):
                self.write(part)
                continue
            self.encode()
            at += range(len(self._ids), len(self._ids) + part)
            self._ids += [self._placeholder] * part
        self._visual += [at[place] for place in picture.places]
        self.pictures.append(picture)

    def encode(self) -> None:
        """Give ids to what was written since the last visual token."""
        ids, roles = self._codec.encode_pieces(self._pieces, starts=not self._ids)
        self._ids += ids
        self._roles += roles
        self._pieces = []

    def inputs(self) -> Inputs:
        """Return the sequence as far as it is encoded: up to the last visual token, or further."""
        views: list[View] = []
        images = 0
        for picture in self.pictures:
            views += [replace(view, image=images + view.image) for view in picture.views]
            images += picture.images
        tensors = join_tensors(self.pictures)
        return Inputs(
            tuple(self._ids), tuple(self._visual), tuple(self._roles), tuple(views), tensors
        )


def join_tensors(pictures: Sequence[InputPicture]) -> dict[str, torch.Tensor]:
    """Return the tensors of all pictures, joined along their first dimension."""
    first, *others = (picture.tensors for picture in pictures)
    return {name: torch.cat([t, *(o[name] for o in others)]) for name, t in first.items()}


def grid_rects(grid: tuple[int, int], width: float, height: float) -> npt.NDArray[np.float32]:
    """Return (n, 4) float32: the cells of a grid that covers width x height pixels, row-major."""
    rows, columns = grid
    x, y = np.linspace(0, width, columns + 1), np.linspace(0, height, rows + 1)
    x0, y0 = np.meshgrid(x[:-1], y[:-1])
    x1, y1 = np.meshgrid(x[1:], y[1:])
    return np.stack([x0, y0, x1, y1], axis=-1).reshape(-1, 4).astype(np.float32)
