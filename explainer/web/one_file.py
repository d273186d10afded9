"""A run as one HTML file that opens anywhere, without a network: the page's own parts and modules,
with the maps of all its words inside.

The file allows nothing but itself: its Content-Security-Policy names the one script and the one
style by their hashes. What a model or a person said is in it as JSON alone.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from string import Template
from typing import Any

from explainer.export import Exhibit
from explainer.export.print import about_run, small_print
from explainer.run import TEMPLATE
from explainer.web import payload, texts
from explainer.web import scripts as web
from explainer.web.controls import MethodSettings
from explainer.web.map_entry import entry_of
from explainer.web.places import place_words

RUN = "file"  # the name of the only run that the file's scripts know
_STYLES = ("page.css", "tokens.css", "view.css", "panel.css", "evidence.css", "file.css")


def one_file(exhibit: Exhibit) -> bytes:
    """Return the HTML file with all words of prompt and answer by all methods of an exhibit."""
    script, style = web.file_script(), "".join(map(web.read, _STYLES))
    page = Template(web.read("file.html")).substitute(
        title=html.escape(f"{texts.TITLE}: {exhibit.run.prompt}"[:200]),
        script=script,
        style=style,
        script_hash=_hash(script),
        style_hash=_hash(style),
        tokens=web.TOKENS.template,
        maps=web.MAPS.template,
        backdrop=web.BACKDROP.template.replace("<div ", '<div id="sl-backdrop" ', 1),
        data=_embedded(_data(exhibit)),
    )
    return page.encode("utf-8", "replace")


def _data(exhibit: Exhibit) -> dict[str, Any]:
    run, look = exhibit.run, exhibit.look
    settings = MethodSettings(run.alphas, {c.method.name: c.settings for c in exhibit.chosen})
    shown = [i for i, chip in enumerate(run.chips) if chip.role != TEMPLATE]
    return {
        "bar": payload.bar(run, RUN),
        "rests": texts.RESTS if run.evidence else None,
        "places": place_words(run),
        "pictures": payload.picture(run, RUN),
        "entries": [entry_of(run, {"chip": i}, settings) for i in shown],
        "view": _view(exhibit),
        "opacity": look.opacity,
        "cover": look.cover,
        "colours": payload.colour_labels(),
        "theme": look.theme,
        "prompt": run.prompt,
        "line": about_run(run).partition(". Prompt")[0] + ".",
        "print": small_print(exhibit),
        "words": {**texts.FILE, "playing": texts.PLAYING, "shades": texts.SHADES},
    }


def _view(exhibit: Exhibit) -> dict[str, Any]:
    """Return the props of the map view; the file has one normalisation, that of its maps."""
    props, names = payload.view_props(), [c.method.name for c in exhibit.chosen]
    one = {"": texts.VIEW["normalisations"][""]}
    return {
        **props,
        "colours": exhibit.look.colours,
        "diverging": exhibit.look.diverging,
        "methods": [told for told in props["methods"] if told["name"] in names],
        "shown": names,
        "words": {**props["words"], "normalisations": one},
    }


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _embedded(value: Any) -> str:
    """Return JSON that means the same in HTML: nothing in it can end the element that it is in."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
