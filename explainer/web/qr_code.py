"""The QR code of an address, for people who sit in a talk."""

from __future__ import annotations

from explainer.web import file_words


def code_of(address: str) -> dict[str, str]:
    """Return the QR code of an address: `src`, a PNG in a data URI, `address`, and its `label`."""
    import segno  # only files that know their address need it

    code = segno.make(address, error="m", micro=False)
    return {
        "address": address,
        "src": code.png_data_uri(scale=8),
        "label": file_words.FILE["code"].format(address=address),
    }
