"""Figures for papers: a row for each word, a column for each method, settings in small print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from explainer.errors import RunError
from explainer.export.bidi import add_mark_base, runs_right_to_left
from explainer.export.colours import RGB, add_cover, colour_table, draw_bar
from explainer.export.drawing import (
    Drawing,
    DrawnPicture,
    Font,
    Hatch,
    Line,
    TextSpan,
    measure_width,
    to_pixels,
    to_svg,
    truncate,
    wrap,
)
from explainer.export.exhibit import Exhibit, title, tokens_of
from explainer.export.overlay import magnify, png
from explainer.export.sentence import break_lines, select_lines, sentence, spans
from explainer.export.small_print import notes, small_print
from explainer.methods.base import Heatmap
from explainer.methods.otsu import levels
from explainer.methods.subjects import Contrast, Subject, probability

MARGIN, GAP = 16.0, 14.0
NARROW, WIDE = 300.0, 460.0  # of a panel beside others, and alone
MOST_ACROSS = 4
MOST_SUBJECTS = 24
MOST_LINES = 10  # of the sentence
HEADING, TEXT, TITLE, LABEL, SMALL = Font(21, True), Font(15), Font(15, True), Font(11), Font(11)
_SIDE = 256  # of the magnified maps

Box = tuple[float, float, float, float]  # x, y, width, height


@dataclass(frozen=True)
class Inks:
    """Colours of a theme: paper, text, quiet text, and the mark of the chosen word."""

    paper: str
    text: str
    quiet: str
    mark: str


INKS = {
    "light": Inks("#ffffff", "#1c1917", "#57534e", "#4338ca"),
    "dark": Inks("#0f172a", "#f8fafc", "#b6c0ce", "#fbbf24"),
}


def figure_svg(exhibit: Exhibit) -> bytes:
    """Return the figure as an SVG file: text is text, and each picture is stored once."""
    said = ", ".join(title(exhibit.run, subject) for subject in exhibit.subjects)
    return to_svg(figure(exhibit), f"{said}: {exhibit.run.model_id}")


def figure_png(exhibit: Exhibit) -> bytes:
    """Return the figure as a PNG file of two pixels to the unit."""
    return png(to_pixels(figure(exhibit)))


def figure(exhibit: Exhibit) -> Drawing:
    """Draw all words of an exhibit; raise `RunError` if there are more than fit."""
    if len(exhibit.subjects) > MOST_SUBJECTS:
        raise RunError(
            f"a figure shows at most {MOST_SUBJECTS} words, got {len(exhibit.subjects)}; "
            "choose some of them, or another format for all"
        )
    sheet = Sheet(exhibit)
    for subject, heats in zip(exhibit.subjects, exhibit.heats, strict=True):
        sheet.heading(subject)
        sheet.panels(heats)
    sheet.paragraphs(small_print(exhibit))
    return sheet.done()


class Sheet:
    """A drawing that is filled from the top; `y` is the position of the next item."""

    def __init__(self, exhibit: Exhibit, lines: int = MOST_LINES) -> None:
        self.exhibit, self.inks, self.lines = exhibit, INKS[exhibit.look.theme], lines
        count = len(exhibit.chosen)
        rows = -(-count // MOST_ACROSS)
        self.across = -(-count // rows)
        self.panel = NARROW if self.across > 1 else WIDE
        self.inner = self.across * (self.panel + GAP) - GAP
        self.drawing = Drawing(self.inner + 2 * MARGIN, 0, self.inks.paper)
        self.y = MARGIN
        look = exhibit.look
        names = (look.colours, look.diverging)  # of unsigned and of signed maps
        self._tables = [
            add_cover(colour_table(name), bool(signed), look.cover)
            for signed, name in enumerate(names)
        ]
        self._bars = [draw_bar(table, look.opacity) for table in self._tables]

    def done(self) -> Drawing:
        """Return the drawing, cropped to the height of its content."""
        self.drawing.height = round(self.y + MARGIN - GAP)
        return self.drawing

    # Text ----------------------------------------------------------------------------------------

    def write(self, x: float, font: Font, text: str | Sequence[TextSpan]) -> None:
        """Draw a line of text whose baseline is at `y`."""
        self._line(x, font, text, self.inks.text, "start")

    def write_quiet(self, x: float, font: Font, text: str, anchor: str = "start") -> None:
        """Draw a line of secondary text whose baseline is at `y`; nothing for ""."""
        if text:
            self._line(x, font, text, self.inks.quiet, anchor)

    def _line(
        self, x: float, font: Font, text: str | Sequence[TextSpan], ink: str, anchor: str
    ) -> None:
        parts = (TextSpan(text),) if isinstance(text, str) else tuple(text)
        self._put(Line(x, self.y, parts, font, ink, anchor))

    def _put(self, line: Line) -> None:
        self.drawing.items.append(replace(line, x=round(line.x, 2), y=round(line.y, 2)))

    def heading(self, subject: Subject) -> None:
        """Draw the word with its probability, and the sentence around it."""
        run, tokens = self.exhibit.run, tokens_of(subject)
        chance = None if isinstance(subject, Contrast) else probability(run, subject)
        about = "" if chance is None else f"probability {share(chance)}"
        room = self.inner - measure_width(about, TEXT) - GAP
        word = truncate(f"“{add_mark_base(title(run, subject))}”", HEADING, room)
        self.y += HEADING.size
        self._put(Line(MARGIN, self.y, (TextSpan(word),), HEADING, self.inks.text, rtl=False))
        self.write_quiet(MARGIN + measure_width(word, HEADING) + GAP, TEXT, about)
        self.y += 10
        self.sentence(tokens)

    def sentence(self, tokens: Sequence[int]) -> None:
        """Draw the sentence of the tokens, with them marked."""
        pieces = sentence(self.exhibit.run, tokens)
        rtl = runs_right_to_left("".join(piece.text for piece in pieces))
        for line in select_lines(break_lines(pieces, TEXT, self.inner), tokens, self.lines):
            self.y += TEXT.size
            marked, x = spans(line, tokens, self.inks.mark), MARGIN + (self.inner if rtl else 0)
            anchor = "end" if rtl else "start"
            self._put(Line(x, self.y, marked, TEXT, self.inks.text, anchor, rtl))
            self.y += 0.4 * TEXT.size
        self.y += 8

    def paragraphs(self, texts: Sequence[str]) -> None:
        """Draw paragraphs of small print."""
        for text in texts:
            for line in wrap(text, SMALL, self.inner):
                self.y += SMALL.size
                self.write_quiet(MARGIN, SMALL, line)
                self.y += 0.35 * SMALL.size
            self.y += 2
        self.y += GAP

    # Maps ----------------------------------------------------------------------------------------

    def panels(self, heats: Sequence[Heatmap]) -> None:
        """Draw the maps of one word, one panel for each method."""
        for first in range(0, len(heats), self.across):
            top, below = self.y, self.y
            for column, heat in enumerate(heats[first : first + self.across]):
                self.y = top
                self._panel(MARGIN + column * (self.panel + GAP), first + column, heat)
                below = max(below, self.y)
            self.y = below + GAP

    def _panel(self, x: float, method: int, heat: Heatmap) -> None:
        said = notes(heat)
        room = self.panel - measure_width(said, LABEL) - 8
        self.y += TITLE.size
        self.write(x, TITLE, truncate(self.exhibit.chosen[method].method.label, TITLE, room))
        self.write_quiet(x + self.panel, LABEL, said, "end")
        self.y += 0.5 * TITLE.size
        self._pictures(x, heat)
        self._bar(x, heat.signed)

    def _pictures(self, x: float, heat: Heatmap) -> None:
        """Draw the parts of a map in rows, each with its label below."""
        columns = int(np.ceil(np.sqrt(len(heat.parts))))
        width = (self.panel - (columns - 1) * 6) / columns
        labels = self.exhibit.run.labels
        for first in range(0, len(heat.parts), columns):
            row = range(first, min(first + columns, len(heat.parts)))
            sizes = [self.exhibit.photos[i].shape for i in row]
            ratios = [rows / columns for rows, columns, _ in sizes]
            height = max(min(width * ratio, 2 * width) for ratio in ratios)
            for column, i in enumerate(row):
                fitted = min(width, height / ratios[column])
                left = x + column * (width + 6) + (width - fitted) / 2
                self._part((left, self.y, fitted, fitted * ratios[column]), heat, i)
            self.y += height
            if any(labels[i] for i in row):
                self.y += LABEL.size + 2
                for column, i in enumerate(row):
                    self.write_quiet(
                        x + column * (width + 6), LABEL, truncate(labels[i], LABEL, width)
                    )
                self.y += 3
            self.y += 6

    def _part(self, box: tuple[float, float, float, float], heat: Heatmap, index: int) -> None:
        look, part, image = self.exhibit.look, heat.parts[index], self.exhibit.run.images[index]
        x, y, width, height = box
        sx, sy = width / image.shape[1], height / image.shape[0]
        x0, y0, x1, y1 = part.extent  # what `magnify` fills
        place = (x + x0 * sx, y + y0 * sy, (x1 - x0) * sx, (y1 - y0) * sy)
        colours = _opaque(self._tables[heat.signed])[levels(magnify(part, _SIDE), heat.signed)]
        place, colours = _clip_to_picture(box, place, colours)
        add = self.drawing.items.append
        add(DrawnPicture(box, self.exhibit.photos[index], photo=True))
        if not np.allclose(place, box, atol=0.5):
            add(Hatch(box, place, look.opacity))
        add(DrawnPicture(place, colours, look.opacity))

    def _bar(self, x: float, signed: bool) -> None:
        """Draw a colour bar with labels at its ends."""
        self.drawing.items.append(DrawnPicture((x, self.y, self.panel, 8), self._bars[signed]))
        self.y += 10 + LABEL.size
        ticks = ("−1", "0", "+1") if signed else ("0", "", "1")
        for tick, at, anchor in zip(ticks, (0, 0.5, 1), ("start", "middle", "end"), strict=True):
            self.write_quiet(x + at * self.panel, LABEL, tick, anchor)


def _opaque(table: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a table (256, 4) without its opacities if all are full."""
    return table[:, :3] if (table[:, 3] == 255).all() else table


def _clip_to_picture(box: Box, place: Box, colours: RGB) -> tuple[Box, RGB]:
    """Return the part of a map on its picture, and its colours.

    Maps of recordings lie within the picture; those of a file may extend beyond it.
    """
    (left, right), columns = _overlap(box[0], box[2], place[0], place[2], colours.shape[1])
    (top, bottom), rows = _overlap(box[1], box[3], place[1], place[3], colours.shape[0])
    return (left, top, right - left, bottom - top), np.ascontiguousarray(colours[rows, columns])


def _overlap(
    low: float, size: float, start: float, length: float, count: int
) -> tuple[tuple[float, float], slice]:
    """Return the ends of the overlap of two intervals in whole cells, and which cells.

    The second interval is divided into `count` cells; at least one remains.
    """
    first = int(np.clip(np.floor((low - start) / length * count + 1e-6), 0, count - 1))
    last = int(np.clip(np.ceil((low + size - start) / length * count - 1e-6), first + 1, count))
    ends = start + first / count * length, start + last / count * length
    return (max(low, ends[0]), min(low + size, ends[1])), slice(first, last)


def share(p: float) -> str:
    """Format a probability."""
    return "< 0.1 %" if p < 0.001 else f"{100 * p:.1f} %"
