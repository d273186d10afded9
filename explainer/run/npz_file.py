"""Read and write run files: one `.npz` of plain arrays, with a JSON `header` and PNG pictures.

Version 1 held one picture with one grid; version 2 had no words of visual tokens, evidence and
layers; version 3 had no conversation. All are still read. Files are untrusted, see `archive` and
`checks`.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from explainer.errors import RunError
from explainer.run.archive import Declared, read_arrays
from explainer.run.checks import check_run
from explainer.run.fields import AttributionKey
from explainer.run.memory import count_cached_bytes
from explainer.run.record import RunRecord
from explainer.run.schema import (
    Conversation,
    Evidence,
    Layer,
    Scale,
    Tokens,
    Turn,
    Unembedding,
    Video,
    View,
)

FORMAT = "sightline-run"
FORMAT_VERSION = 4
MOST_HEADER, MOST_PIXELS = 4 << 20, 64_000_000  # bytes of JSON; pixels of all pictures
_KEPT, _DECODING = 3, 7  # bytes per pixel: kept, and needed besides while decoding
_PER_HEADER_BYTE = 16  # bytes of memory that a byte of JSON may become

R = TypeVar("R", bound=RunRecord)
Arrays = Mapping[str, np.ndarray]
Pixels = npt.NDArray[np.uint8]


# Writing -----------------------------------------------------------------------------------------


def write(run: RunRecord, file: str | Path | BinaryIO) -> None:
    """Write the run to a path or a binary file, see `Run.save`."""
    header = json.dumps(_make_header(run), allow_nan=False).encode("utf-8", "surrogatepass")
    arrays = {"header": np.frombuffer(header, np.uint8), **_collect_arrays(run)}
    if not isinstance(file, (str, Path)):
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        return
    with open(file, "wb") as opened:
        np.savez_compressed(opened, **arrays)  # type: ignore[arg-type]


def _make_header(run: RunRecord) -> dict[str, Any]:
    video, evidence = run.video, run.evidence
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "prompt": run.prompt,
        "system": run.conversation.system,
        "turns": [list(turn) for turn in run.conversation.turns],
        "model_id": run.model_id,
        "settings": dict(run.settings),
        "texts": list(run.tokens.texts),
        "pieces": {str(i): s for i, s in run.pieces.items()},
        "labels": list(run.labels),
        "video": video and {"interval": video.interval, "numbers": video.numbers},
        "scales": [
            {
                "alpha": s.alpha,
                "base_id": s.base_id,
                "least_id": s.least_id,
                "views": [[v.image, *v.grid] for v in s.views],
            }
            for s in run.scales
        ],
        "attributions": [[*key] for key in run.attributions],
        "attribution_notes": [dict(run.attribution_notes.get(key, {})) for key in run.attributions],
        "evidence": evidence and list(evidence.fills),
        "layer": run.layer,
        "layers": [
            {
                "number": layer.number,
                "base_ids": [s.base_id for s in layer.scales],
                "least_ids": [s.least_id for s in layer.scales],
            }
            for layer in run.layers
        ],
    }


def _collect_arrays(run: RunRecord) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {
        "ids": run.tokens.ids,
        "roles": run.tokens.roles,
        "positions": run.tokens.positions,
        "states": run.states,
        "topk": run.topk,
        "candidate_probs": run.candidate_probs,
        "probs": run.probs,
        "unembedding_ids": run.unembedding.ids,
        "unembedding_rows": run.unembedding.rows,
        "unembedding_bias": run.unembedding.bias,
    }
    if run.visual_topk is not None:
        arrays["visual_topk"] = run.visual_topk
    if run.evidence is not None:
        arrays["evidence"] = run.evidence.probs
    if run.sources is not None:
        arrays["sources"] = run.sources
    if run.attributions:
        arrays["attributions"] = np.stack([*run.attributions.values()])
    stored = run.images
    if run.video is not None:
        stored, arrays["video_times"] = tuple(run.video.frames), run.video.times
    for i, image in enumerate(stored):
        arrays[f"image{i}_png"] = np.frombuffer(_encode_png(image), np.uint8)
    for i, scale in enumerate(run.scales):
        rects = np.concatenate([view.rects for view in scale.views])
        arrays |= {f"scale{i}_states": scale.states, f"scale{i}_rects": rects}
    return arrays | _collect_layer_arrays(run.layers)


def _collect_layer_arrays(layers: tuple[Layer, ...]) -> dict[str, np.ndarray]:
    """Return the arrays of the layers, stacked over layers."""
    if not layers:
        return {}
    names = ("states", "topk", "candidate_probs", "probs")
    arrays = {f"layers_{name}": np.stack([getattr(y, name) for y in layers]) for name in names}
    for i in range(len(layers[0].scales)):
        arrays[f"layers_scale{i}_states"] = np.stack([y.scales[i].states for y in layers])
    return arrays


def _encode_png(image: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


# Reading -----------------------------------------------------------------------------------------


def read(file: str | Path | BinaryIO, max_bytes: int, kind: type[R]) -> R:
    """Read a run of class `kind` from a path or a binary file, see `Run.load`."""
    if not isinstance(file, (str, Path)):
        return _read(file, max_bytes, "the file", kind)
    try:
        with open(file, "rb") as opened:
            return _read(opened, max_bytes, Path(file).name, kind)
    except FileNotFoundError:
        raise RunError(f"no such file: {file}") from None
    except OSError as error:
        raise RunError(f"{file} cannot be read: {error.strerror}") from None


def _read(file: BinaryIO, max_bytes: int, name: str, kind: type[R]) -> R:
    refusal = f"{name} is not a recorded run, or is damaged"
    try:
        arrays = read_arrays(file, max_bytes, lambda declared: _check_declared(declared, max_bytes))
        left = max_bytes - sum(array.nbytes for array in arrays.values())
        run = _build_run(arrays, kind, left)
        check_run(run, max_bytes)
        return run
    except RunError as error:
        raise RunError(f"{refusal}: {error}") from None
    except Exception as error:  # zip, deflate, npy, JSON and PNG readers each raise their own
        raise RunError(refusal) from error


def _check_declared(declared: Mapping[str, Declared], max_bytes: int) -> None:
    """Raise `RunError` if, by its declared shapes, a run exceeds `max_bytes` of memory in use.

    Called before anything is unpacked.
    """
    shapes = {name: array.shape for name, array in declared.items()}
    states = [
        shape[0] for name, shape in shapes.items() if re.fullmatch(r"(scale\d+_)?states", name)
    ]
    size = sum(array.nbytes for array in declared.values())
    size += _PER_HEADER_BYTE * declared["header"].nbytes
    layers = shapes.get("layers_states", (0,))[0]
    size += count_cached_bytes(shapes["unembedding_rows"], sum(states), layers)
    if size > max_bytes:
        raise RunError(
            f"it takes {size / 1e6:,.0f} MB in use, and the limit is {max_bytes / 1e6:,.0f} MB"
        )


def _build_run(a: Arrays, kind: type[R], left: int) -> R:
    header = _open_header(a["header"])
    if header["format"] != FORMAT or header["version"] not in range(1, FORMAT_VERSION + 1):
        raise RunError(f"run format {header['format']} {header['version']} is not known here")
    if header["version"] == 1:
        header, a = _upgrade_version_1(header, a)
    images, video = _read_media(header, a, left)
    scales = tuple(
        _read_scale(entry, a[f"scale{i}_states"], a[f"scale{i}_rects"])
        for i, entry in enumerate(header["scales"])
    )
    fills = header.get("evidence")
    attributions = _read_attributions(header.get("attributions", []), a)
    return kind(
        images=images,
        video=video,
        labels=tuple(map(str, header["labels"])),
        prompt=str(header["prompt"]),
        model_id=str(header["model_id"]),
        tokens=Tokens(a["ids"], tuple(map(str, header["texts"])), a["roles"], a["positions"]),
        states=a["states"],
        topk=a["topk"],
        candidate_probs=a["candidate_probs"],
        probs=a["probs"],
        scales=scales,
        unembedding=Unembedding(a["unembedding_ids"], a["unembedding_rows"], a["unembedding_bias"]),
        pieces={int(i): str(s) for i, s in header["pieces"].items()},
        settings={**header["settings"]},
        attributions=attributions,
        attribution_notes=_read_notes(header.get("attribution_notes", []), attributions),
        visual_topk=a.get("visual_topk"),
        evidence=Evidence(tuple(map(str, fills)), a["evidence"]) if fills else None,
        sources=a.get("sources"),
        layer=None if header.get("layer") is None else int(header["layer"]),
        layers=_read_layers(header.get("layers", []), scales, a),
        conversation=_read_conversation(header),
    )


def _read_conversation(header: Mapping[str, Any]) -> Conversation:
    """Return what was said before the prompt; older files have none."""
    turns = tuple(Turn(str(prompt), str(answer)) for prompt, answer in header.get("turns", []))
    return Conversation(str(header.get("system", "")), turns)


def _open_header(data: np.ndarray) -> dict[str, Any]:
    """Parse the JSON header; NaN and infinities are refused."""
    if data.nbytes > MOST_HEADER:
        raise RunError(f"its header of {data.nbytes} bytes is longer than {MOST_HEADER}")

    def refuse(constant: str) -> None:
        raise RunError(f"its header holds {constant}")

    text = data.tobytes().decode("utf-8", "surrogatepass")
    return json.loads(text, parse_constant=refuse)


def _read_media(
    header: Mapping[str, Any], arrays: Arrays, left: int
) -> tuple[tuple[Pixels, ...], Video | None]:
    """Return the images, and the video or None.

    Raises `RunError`, before decoding, for too many pixels, or if reading them takes more than
    `left` bytes.
    """
    fields, count = header.get("video"), len(header["labels"])
    stored = [
        arrays[f"image{i}_png"].tobytes()
        for i in range(len(fields["numbers"]) if fields else count)
    ]
    _check_pictures(stored, left, _KEPT * (2 if fields else 1))  # frames are stacked once read
    images = [_decode_png(data) for data in stored]
    if not fields:
        return tuple(images), None
    frames, numbers = np.stack(images), tuple(map(int, fields["numbers"]))
    video = Video(frames, arrays["video_times"], float(fields["interval"]), numbers)
    return tuple(frames[:: len(stored) // count]), video


def _check_pictures(stored: list[bytes], left: int, kept: int) -> None:
    """Raise `RunError` unless these are RGB PNGs that take at most `left` bytes to read.

    `kept` is the number of bytes per pixel after reading.
    """
    pixels = largest = 0
    for data in stored:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            size = picture.width * picture.height
            pixels, largest = pixels + size, max(largest, size)
            too_large = pixels > MOST_PIXELS or kept * pixels + _DECODING * largest > left
            if picture.mode != "RGB" or too_large:
                raise RunError(
                    f"a picture of {picture.width} x {picture.height} ({picture.mode}) is too "
                    "large, or no picture that a recording holds"
                )


def _decode_png(data: bytes) -> Pixels:
    """Decode a PNG into (H, W, 3) uint8."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
        return np.array(picture)


def _read_scale(fields: Mapping[str, Any], states: np.ndarray, rects: np.ndarray) -> Scale:
    """Return a scale from its part of the header and its arrays."""
    grids = [(int(rows), int(columns)) for _, rows, columns in fields["views"]]
    stops = np.cumsum([rows * columns for rows, columns in grids])
    parts = np.split(rects, stops[:-1])  # what is too much stays with the last, which refuses it
    views = tuple(
        View(int(image), grid, part)
        for (image, *_), grid, part in zip(fields["views"], grids, parts, strict=True)
    )
    return Scale(
        float(fields["alpha"]),
        views,
        states,
        int(fields["base_id"]),
        _id_or_none(fields.get("least_id")),
    )


def _read_layers(entries: list[Any], scales: tuple[Scale, ...], a: Arrays) -> tuple[Layer, ...]:
    """Return the recorded layers, whose scales have the views of the run's own."""
    return tuple(
        Layer(
            number=int(layer["number"]),
            scales=tuple(
                Scale(
                    s.alpha,
                    s.views,
                    a[f"layers_scale{k}_states"][i],
                    int(layer["base_ids"][k]),
                    _id_or_none(layer.get("least_ids", [None] * len(scales))[k]),
                )
                for k, s in enumerate(scales)
            ),
            states=a["layers_states"][i],
            topk=a["layers_topk"][i],
            candidate_probs=a["layers_candidate_probs"][i],
            probs=a["layers_probs"][i],
        )
        for i, layer in enumerate(entries)
    )


def _id_or_none(value: Any) -> int | None:
    return None if value is None else int(value)


def _read_attributions(keys: list[Any], arrays: Arrays) -> dict[AttributionKey, np.ndarray]:
    """Return the maps of comparison methods; older files have none."""
    keys = [
        (str(method), int(token), tuple((str(name), value) for name, value in options))
        for method, token, options in keys
    ]
    return dict(zip(keys, arrays["attributions"], strict=True)) if keys else {}


def _read_notes(
    notes: list[Any], attributions: Mapping[AttributionKey, np.ndarray]
) -> dict[AttributionKey, dict[str, float]]:
    """Return the notes on the maps of comparison methods; older files have none."""
    if not notes:
        return {}
    named = zip(attributions, notes, strict=True)
    return {key: {str(n): float(v) for n, v in notes.items()} for key, notes in named if notes}


def _upgrade_version_1(header: Mapping[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Convert header and arrays of version 1 to version 2."""
    scales = [
        {"alpha": alpha, "base_id": base_id, "views": [[0, rows, columns]]}
        for alpha, rows, columns, base_id in header["scales"]
    ]
    return (
        {**header, "labels": [""], "scales": scales},
        {**arrays, "image0_png": arrays["image_png"]},
    )
