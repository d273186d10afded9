"""A run as one HTML file that opens anywhere, without a network.

It holds parts and modules of the page, which compute the maps of all words from the evidence
inside.

The file allows nothing but itself: its Content-Security-Policy names the one script and the one
style by their hashes. What a model or a person said is in it as JSON alone.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from string import Template
from typing import Any, cast

from explainer.errors import KnobError
from explainer.export import Chosen, Exhibit
from explainer.export.small_print import describe_method, describe_run, small_print
from explainer.methods import COMPARISON, METHODS, Heatmap
from explainer.methods.comparison import Comparison
from explainer.probing.sources import describe_sources
from explainer.run import TEMPLATE, AttributionKey, Run
from explainer.web import file_words, payload, texts
from explainer.web import scripts as web
from explainer.web.controls import MethodSettings
from explainer.web.live import live
from explainer.web.map_entry import entry_of
from explainer.web.places import place_words
from explainer.web.qr_code import code_of
from explainer.web.words_beside import RECORDED_ROW, places

RUN = "file"  # the name of the only run that the file's scripts know
_STYLES = ("page.css", *web.SHARED_STYLES, "file.css")


def one_file(exhibit: Exhibit, home: str | None = None, address: str | None = None) -> bytes:
    """Return the HTML file with all words of prompt and answer by all methods of an exhibit.

    Args:
        exhibit: what the file begins with.
        home: name of a file beside it that it links to.
        address: where the file will be found; its presentation has a QR code of it.
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
        beside=web.BESIDE.template,
        steps=web.STEPS.template,
        backdrop=web.BACKDROP.template.replace("<div ", '<div id="sl-backdrop" ', 1),
        data=_embedded({**_data(exhibit), "home": home, "code": address and code_of(address)}),
    )
    return page.encode("utf-8", "replace")


def _data(exhibit: Exhibit) -> dict[str, Any]:
    run, look, compared = exhibit.run, exhibit.look, _compared(exhibit)
    sliders = live(exhibit, compared)
    drawn = [c for c in exhibit.chosen if sliders is None or c.method.name not in METHODS]
    settings = MethodSettings(run.alphas, {c.method.name: c.settings for c in (*drawn, *compared)})
    shown = [i for i, chip in enumerate(run.chips) if chip.role != TEMPLATE]
    return {
        "bar": payload.bar(run, RUN),
        "beside": {
            "words": RECORDED_ROW,
            "places": [[word.as_json() for word in place] for place in places(run)],
        },
        "rests": texts.RESTS if run.evidence else None,
        "places": place_words(run),
        "pictures": payload.picture(run, RUN),
        "entries": [entry_of(run, {"chip": i}, settings).as_json() for i in shown],
        "live": sliders,
        "steps": payload.step_props(),
        "tables": payload.tables(),
        "view": _view(exhibit, compared, sliders is not None),
        "opacity": look.opacity,
        "cover": look.cover,
        "colours": payload.colour_labels(),
        "theme": look.theme,
        "prompt": run.prompt,
        "line": f"{describe_run(run).partition('. Prompt')[0]}. {describe_sources(run)}".strip(),
        "print": _print(exhibit, compared),
        "words": {**file_words.FILE, "playing": texts.PLAYING, "shades": texts.SHADES},
    }


def _compared(exhibit: Exhibit) -> list[Chosen]:
    """Return the comparison methods whose maps the run holds, besides those of the exhibit.

    Each has the options of its first map.
    """
    shown = {c.method.name for c in exhibit.chosen}
    found: dict[str, Chosen] = {}
    for key in exhibit.run.attributions:
        if key[0] in COMPARISON and key[0] not in {*shown, *found}:
            chosen = _settings_of(key)
            found.update({key[0]: chosen} if chosen else {})
    return list(found.values())


def _settings_of(key: AttributionKey) -> Chosen | None:
    """Return the method of a map with the options that it was made with; None for unknown ones."""
    method = cast(Comparison, COMPARISON[key[0]])
    try:
        settings = method.settings(**dict(key[2]))
    except KnobError:
        return None
    return Chosen(method, settings) if method.key(key[1], settings) == key else None


def _print(exhibit: Exhibit, compared: Sequence[Chosen]) -> dict[str, Any]:
    """Return how each method's maps were made, and the paragraphs that hold for all of them."""
    lines, names = small_print(exhibit), [c.method.name for c in exhibit.chosen]
    others = {c.method.name: describe_method(c, _first_map(exhibit.run, c)) for c in compared}
    return {
        "methods": dict(zip(names, lines, strict=False)) | others,
        "rest": lines[len(names) :],
    }


def _first_map(run: Run, chosen: Chosen) -> Heatmap:
    """Return a map of a comparison method that the run holds."""
    token = next(token for name, token, _ in run.attributions if name == chosen.method.name)
    return chosen.method(run, token, **chosen.settings)


def _view(exhibit: Exhibit, compared: Sequence[Chosen], is_live: bool) -> dict[str, Any]:
    """Return the props of the map view.

    Where nothing is computed in the file it has one normalisation, that of its maps, and the
    methods of the exhibit.
    """
    props, names = payload.view_props(), [c.method.name for c in exhibit.chosen]
    offered = {*names, *(c.method.name for c in compared), *(METHODS if is_live else ())}
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
