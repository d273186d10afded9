"""A run as one HTML file that opens anywhere, without a network: the page's own parts and modules,
which compute the maps of all its words from the evidence inside.

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
from explainer.export.small_print import describe_run, small_print
from explainer.methods import METHODS
from explainer.probing.sources import describe_sources
from explainer.run import TEMPLATE
from explainer.web import payload, texts
from explainer.web import scripts as web
from explainer.web.controls import MethodSettings
from explainer.web.live import live
from explainer.web.map_entry import entry_of
from explainer.web.places import place_words

RUN = "file"  # the name of the only run that the file's scripts know
_STYLES = ("page.css", "tokens.css", "view.css", "panel.css", "evidence.css", "file.css")


def one_file(exhibit: Exhibit, home: str | None = None) -> bytes:
    """Return the HTML file with all words of prompt and answer by all methods of an exhibit.

    Args:
        exhibit: what the file begins with.
        home: name of a file beside it that it links to.
    """
    script, style = web.file_script(), "".join(map(web.read, _STYLES))
    page = Template(web.read("file.html")).substitute(
        title=html.escape(f"{texts.TITLE}: {exhibit.run.prompt}"[:200]),
        script=script,
        style=style,
        script_hash=policy_hash(script),
        style_hash=policy_hash(style),
        tokens=web.TOKENS.template,
        maps=web.MAPS.template,
        backdrop=web.BACKDROP.template.replace("<div ", '<div id="sl-backdrop" ', 1),
        data=_embedded({**_data(exhibit), "home": home}),
    )
    return page.encode("utf-8", "replace")


def _data(exhibit: Exhibit) -> dict[str, Any]:
    run, look, sliders = exhibit.run, exhibit.look, live(exhibit)
    drawn = [c for c in exhibit.chosen if sliders is None or c.method.name not in METHODS]
    settings = MethodSettings(run.alphas, {c.method.name: c.settings for c in drawn})
    shown = [i for i, chip in enumerate(run.chips) if chip.role != TEMPLATE]
    return {
        "bar": payload.bar(run, RUN),
        "rests": texts.RESTS if run.evidence else None,
        "places": place_words(run),
        "pictures": payload.picture(run, RUN),
        "entries": [entry_of(run, {"chip": i}, settings) for i in shown],
        "live": sliders,
        "tables": payload.tables(),
        "view": _view(exhibit, sliders is not None),
        "opacity": look.opacity,
        "cover": look.cover,
        "colours": payload.colour_labels(),
        "theme": look.theme,
        "prompt": run.prompt,
        "line": f"{describe_run(run).partition('. Prompt')[0]}. {describe_sources(run)}".strip(),
        "print": _print(exhibit),
        "words": {**texts.FILE, "playing": texts.PLAYING, "shades": texts.SHADES},
    }


def _print(exhibit: Exhibit) -> dict[str, Any]:
    """Return how each method's maps were made, and the paragraphs that hold for all of them."""
    lines, names = small_print(exhibit), [c.method.name for c in exhibit.chosen]
    return {"methods": dict(zip(names, lines, strict=False)), "rest": lines[len(names) :]}


def _view(exhibit: Exhibit, is_live: bool) -> dict[str, Any]:
    """Return the props of the map view.

    Where nothing is computed in the file it has one normalisation, that of its maps, and the
    methods of the exhibit.
    """
    props, names = payload.view_props(), [c.method.name for c in exhibit.chosen]
    offered = {*names, *(METHODS if is_live else ())}
    every = texts.VIEW["normalisations"]
    one = every if is_live else {"": every[""]}
    return {
        **props,
        "colours": exhibit.look.colours,
        "diverging": exhibit.look.diverging,
        "methods": [told for told in props["methods"] if told["name"] in offered],
        "shown": names,
        "words": {**props["words"], "normalisations": one},
    }


def policy_hash(text: str) -> str:
    """Return a script or a style as a Content-Security-Policy names it."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _embedded(value: Any) -> str:
    """Return JSON that means the same in HTML: nothing in it can end the element that it is in."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
