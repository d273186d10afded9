"""`site`: write recorded runs as a static web site with live sliders."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from explainer.commands.method_names import ALL, split_methods
from explainer.commands.terminal import decode_argument
from explainer.errors import MethodError, OutputError, RunError
from explainer.export import THEMES, Chosen, Exhibit, Look, chips
from explainer.methods import METHODS
from explainer.run import PROMPT, Run
from explainer.run.files import check_folder, file_name, write_bytes
from explainer.web import texts
from explainer.web.controls import SHOWN
from explainer.web.site import INDEX, SitePage, site_files

LONGEST_ADDRESS = 500  # characters: a QR code that a camera reads from the last row
HELP = "write recorded runs as a static web site with live sliders"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="recorded runs (.npz), in this order")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the site")
    add("--title", type=decode_argument, default=texts.TITLE, help="heading of the index")
    add(
        "--methods",
        type=split_methods,
        default=list(SHOWN),
        metavar="LIST",
        help=f"shown at first, names with commas between: {', '.join(METHODS)}, or {ALL}; default: "
        f"{','.join(SHOWN)}",
    )
    add(
        "--address",
        metavar="URL",
        help="of the folder where the site will be found; its pages then have a QR code of theirs",
    )
    add("--theme", choices=THEMES, default="light", help="default: light")
    add("--overwrite", action="store_true", help="replace the site in that folder")


def main(args: argparse.Namespace) -> int:
    """Write the index and a page for each run."""
    unknown = [name for name in args.methods if name not in METHODS]
    if unknown or not args.methods:
        named = f"no method {unknown[0]!r}" if unknown else "names no method"
        raise MethodError(f"--methods: {named}; a site shows {', '.join(METHODS)}")
    address = args.address and _folder(args.address)
    if (args.out / INDEX).exists() and not args.overwrite:
        raise OutputError(f"{args.out} holds a site; --overwrite replaces its pages")
    chosen = tuple(Chosen(METHODS[name], METHODS[name].settings()) for name in args.methods)
    look = Look(theme=args.theme)
    runs = [Run.load(path) for path in args.runs]
    exhibits = [
        _exhibit(path, run, chosen, look) for path, run in zip(args.runs, runs, strict=True)
    ]
    check_folder(args.out)
    pages = [SitePage(*pair) for pair in zip(_names(args.runs), exhibits, strict=True)]
    for name, data in site_files(args.title, pages, address):
        write_bytes(args.out / name, data)
        print(f"wrote {args.out / name}")
    return 0


def _folder(address: str) -> str:
    """Return the address of a folder with a slash at its end; `OutputError` if it is none."""
    parts = urlsplit(address)
    known = parts.scheme in ("http", "https") and parts.netloc and not parts.query + parts.fragment
    if not known or parts.path.endswith(".html") or len(address) > LONGEST_ADDRESS:
        raise OutputError(
            f"--address {address[:80]}: name the folder of the site, such as "
            "https://name.github.io/project/"
        )
    return address if address.endswith("/") else f"{address}/"


def _exhibit(path: Path, run: Run, chosen: tuple[Chosen, ...], look: Look) -> Exhibit:
    subjects = chips(run) or chips(run, PROMPT)
    if not subjects:
        raise RunError(f"{path} holds no words of a prompt or an answer; leave it out")
    return Exhibit(run, chosen, tuple(subjects), look)


def _names(paths: Sequence[Path]) -> list[str]:
    """Return a file name for each run, different also where upper and lower case are one."""
    taken, names = {INDEX}, []
    for path in paths:
        tried = (path.stem if i == 1 else f"{path.stem}-{i}" for i in range(1, len(paths) + 2))
        name = next(n for n in (file_name(t, "html") for t in tried) if n.casefold() not in taken)
        taken.add(name.casefold())
        names.append(name)
    return names
