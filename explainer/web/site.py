"""A static site of runs: an index with a thumbnail of each, and one page for each run.

Nothing in it asks anybody for anything, so that it works from a disk as from any web server.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import Template
from urllib.parse import quote

from explainer.export import Exhibit
from explainer.run import Run
from explainer.web import payload
from explainer.web import scripts as web
from explainer.web.one_file import one_file, policy_hash
from explainer.web.qr_code import code_of

INDEX = "index.html"
_LONGEST = 160  # characters of an answer in the index
_SIDE = 320  # longest side of a thumbnail, in pixels


@dataclass(frozen=True, eq=False)
class SitePage:
    """One page of a site.

    Attributes:
        name: of its file, such as "fruit.html".
        exhibit: what it shows.
    """

    name: str
    exhibit: Exhibit


def site_files(
    title: str, pages: Sequence[SitePage], address: str | None = None
) -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of each file, the pages first and the index that leads to them last.

    Args:
        title: heading of the index.
        pages: with different names, none of them `INDEX`.
        address: of the folder where the site will be found, "/" at its end; each file then has a
            QR code of its own address.
    """
    for page in pages:
        own = address and address + quote(page.name)
        yield page.name, one_file(page.exhibit, home=INDEX, address=own)
    yield INDEX, _index(title, pages, address)


def _index(title: str, pages: Sequence[SitePage], address: str | None) -> bytes:
    style = web.read("site.css")
    page = Template(web.read("site.html")).substitute(
        title=html.escape(title),
        style=style,
        style_hash=policy_hash(style),
        code=_code(address) if address else "",
        entries="\n".join(_entry(page.name, page.exhibit.run) for page in pages),
    )
    return page.encode("utf-8", "replace")


def _code(address: str) -> str:
    """Return the QR code of an address, with the address below it."""
    code = {name: html.escape(text) for name, text in code_of(address).items()}
    picture = f'<img alt="{code["label"]}" src="{code["src"]}">'
    return f"<figure>{picture}<figcaption>{code['address']}</figcaption></figure>"


def _entry(name: str, run: Run) -> str:
    """Return a link to a page: picture, question, the start of the answer, and the model."""
    answer = run.answer.strip()
    answer = answer if len(answer) <= _LONGEST else answer[: _LONGEST - 1] + "…"
    details = "".join(
        f'<span dir="auto">{html.escape(text)}</span>' for text in (answer, run.model_id)
    )
    picture = f'<img alt="" src="{payload.shrunk(run.image, _SIDE)}">'
    question = f'<strong dir="auto">{html.escape(run.prompt.strip())}</strong>'
    return f'<li><a href="{quote(name)}">{picture}{question}{details}</a></li>'
