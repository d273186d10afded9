"""The gallery of recorded answers, which opens without a model.

python -m explainer.emoji_world.gallery
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from explainer.emoji_world.examples import EXAMPLES
from explainer.emoji_world.examples import FOLDER as PICTURES
from explainer.models.loading.catalogue import FOLDER as MODELS
from explainer.recording.load import load
from explainer.run import Run

FOLDER = PICTURES.parent / "gallery"


@dataclass(frozen=True)
class GalleryPiece:
    """A recorded answer: its example, and the bundled model that gives it."""

    example: str
    model: str

    def record(self) -> Run:
        """Record the run, with evidence."""
        (example,) = (e for e in EXAMPLES if e.name == self.example)
        model = load(MODELS / self.model)
        return model.add_evidence(model.record(PICTURES / f"{self.example}.png", example.prompt))

    @property
    def label(self) -> str:
        """Return the label on the page."""
        (example,) = (e for e in EXAMPLES if e.name == self.example)
        return example.label


PIECES = (
    GalleryPiece("street", "emoji-qwen2-vl"),
    GalleryPiece("fruit", "emoji-qwen2-vl"),
    GalleryPiece("room", "emoji-qwen2-vl"),
    GalleryPiece("party", "emoji-internvl"),
    GalleryPiece("bears", "emoji-llava"),
)


def main() -> None:
    """Record all pieces again, and list them for the page."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    listing = []
    for piece in PIECES:
        name = f"{piece.example}-{piece.model}.npz"
        run = piece.record()
        run.save(FOLDER / name)
        listing.append({"run": name, "label": piece.label})
        print(f"{name}: {run.answer.strip()!r}, {(FOLDER / name).stat().st_size} bytes")
    text = json.dumps(listing, indent=2, ensure_ascii=False)
    (FOLDER / "gallery.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
