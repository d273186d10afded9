"""The command that writes a static site."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from explainer.__main__ import main
from tests.ui.fake import fake_run
from tests.ui.test_one_file import HOSTILE, Page

FRUIT = Path(__file__).parent.parent / "assets" / "gallery" / "fruit-emoji-qwen2-vl.npz"


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    """Two runs whose names are one where case plays no part, and one that is called index."""
    paths = [tmp_path / name for name in ("a/Cat.npz", "b/cat.npz", "c/index.npz")]
    for path in paths:
        path.parent.mkdir()
        fake_run(HOSTILE, prompt="</strong><script>alert(1)</script>").save(path)
    return [str(path) for path in paths]


def test_a_site_has_an_index_and_a_page_for_each_run(runs, tmp_path, capsys):
    out = tmp_path / "site"
    words = [
        "site",
        *runs,
        "--out",
        str(out),
        "--title",
        "<Two> & one",
        "--methods",
        "msea_arc,tam",
    ]
    assert main(words) == 0
    names = ["Cat.html", "cat-2.html", "index-2.html"]
    assert sorted(p.name for p in out.iterdir()) == sorted(["index.html", *names])
    assert capsys.readouterr().out.count("wrote") == 4
    index = Page((out / "index.html").read_text())
    assert [a["href"] for a in index.all("a")] == names
    assert all(i["src"].startswith("data:image/jpeg;base64,") for i in index.all("img"))
    assert index.texts["title"] == ["<Two> & one"]
    assert not index.all("script")
    (policy,) = [m["content"] for m in index.all("meta") if "http-equiv" in m]
    assert re.match(r"default-src 'none'; img-src data:; style-src 'sha256-[^']+'; ", policy)
    assert '"home":"index.html"' in (out / "Cat.html").read_text()


def test_a_site_that_knows_its_address_has_qr_codes_of_it(tmp_path):
    address = "https://name.github.io/where%20words%20look"
    assert main(["site", str(FRUIT), "--out", str(tmp_path), "--address", address]) == 0
    (code,) = [
        image
        for image in Page((tmp_path / "index.html").read_text()).all("img")
        if image["alt"] == f"QR code of {address}/"
    ]
    assert read_code(code["src"]) == f"{address}/"
    page = Page((tmp_path / FRUIT.with_suffix(".html").name).read_text())
    told = json.loads(page.texts["script"][0])["code"]
    assert told["address"] == f"{address}/fruit-emoji-qwen2-vl.html" == read_code(told["src"])


def read_code(uri: str) -> str:
    """Return what a QR code in a data URI says."""
    picture = Image.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2])))
    (code,) = zxingcpp.read_barcodes(np.array(picture.convert("L")))
    return code.text


def test_a_site_is_replaced_only_if_told_so(tmp_path, capsys):
    words = ["site", str(FRUIT), "--out", str(tmp_path)]
    assert main(words) == 0
    assert main(words) == 2
    assert "--overwrite replaces" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--methods", "grad_cam"], "no method 'grad_cam'; a site shows msea_arc"),
        (["--methods", ","], "names no method"),
        (["--address", "name.github.io"], "name the folder of the site, such as"),
        (["--address", "file:///tmp/site/"], "name the folder of the site"),
        (["--address", "https://x.y/index.html"], "name the folder of the site"),
        (["--address", f"https://x.y/{'z' * 500}"], "name the folder of the site"),
    ],
)
def test_what_a_site_cannot_show_is_said(words, why, tmp_path, capsys):
    assert main(["site", str(FRUIT), "--out", str(tmp_path / "site"), *words]) == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_what_is_no_run_is_said(tmp_path, capsys):
    (tmp_path / "no.npz").write_bytes(b"no")
    assert main(["site", str(tmp_path / "no.npz"), "--out", str(tmp_path / "site")]) == 2
    assert "no.npz" in capsys.readouterr().err
