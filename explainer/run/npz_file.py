"""Runs as files: one `.npz` of plain arrays, of which `header` is JSON and pictures are PNG.

Version 1 held one picture with one grid, version 2 no words of visual tokens, evidence and layers.
Both are read as well. Whatever is read may come from a stranger, see `archive` and `run_checks`.
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
from explainer.run.record import AttributionKey, RunRecord, kept_bytes
from explainer.run.schema import Evidence, Layer, Scale, Tokens, Unembedding, Video, View

FORMAT = "sightline-run"
FORMAT_VERSION = 3
MOST_HEADER, MOST_PIXELS = 4 << 20, 64_000_000  # bytes of JSON; pixels of all pictures
_KEPT, _DECODING = 3, 7  # bytes of a pixel for good, and besides while its picture is decoded
_PER_HEADER_BYTE = 16  # bytes of memory that a byte of JSON may become

R = TypeVar("R", bound=RunRecord)
Arrays = Mapping[str, np.ndarray]
Pixels = npt.NDArray[np.uint8]


# Writing -----------------------------------------------------------------------------------------


def write(run: RunRecord, file: str | Path | BinaryIO) -> None:
    """Write the run to a path or a binary file, see `Run.save`."""
    header = json.dumps(_header(run), allow_nan=False).encode("utf-8", "surrogatepass")
    arrays = {"header": np.frombuffer(header, np.uint8), **_arrays(run)}
    if not isinstance(file, (str, Path)):
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        return
    with open(file, "wb") as opened:
        np.savez_compressed(opened, **arrays)  # type: ignore[arg-type]


def _header(run: RunRecord) -> dict[str, Any]:
    video, evidence = run.video, run.evidence
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "prompt": run.prompt,
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


def _arrays(run: RunRecord) -> dict[str, np.ndarray]:
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
    if run.attributions:
        arrays["attributions"] = np.stack([*run.attributions.values()])
    stored = run.images
    if run.video is not None:
        stored, arrays["video_times"] = tuple(run.video.frames), run.video.times
    for i, image in enumerate(stored):
        arrays[f"image{i}_png"] = np.frombuffer(_png(image), np.uint8)
    for i, scale in enumerate(run.scales):
        rects = np.concatenate([view.rects for view in scale.views])
        arrays |= {f"scale{i}_states": scale.states, f"scale{i}_rects": rects}
    return arrays | _layer_arrays(run.layers)


def _layer_arrays(layers: tuple[Layer, ...]) -> dict[str, np.ndarray]:
    """Return what the layers hold, those of all layers as one array."""
    if not layers:
        return {}
    names = ("states", "topk", "candidate_probs", "probs")
    arrays = {f"layers_{name}": np.stack([getattr(y, name) for y in layers]) for name in names}
    for i in range(len(layers[0].scales)):
        arrays[f"layers_scale{i}_states"] = np.stack([y.scales[i].states for y in layers])
    return arrays


def _png(image: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


# Reading -----------------------------------------------------------------------------------------


def read(file: str | Path | BinaryIO, max_bytes: int, kind: type[R]) -> R:
    """Return the run of a path or a binary file as one of this class, see `Run.load`."""
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
        run = _from_arrays(arrays, kind, left)
        check_run(run, max_bytes)
        return run
    except RunError as error:
        raise RunError(f"{refusal}: {error}") from None
    except Exception as error:  # zip, deflate, npy, JSON and PNG readers each raise their own
        raise RunError(refusal) from error


def _check_declared(declared: Mapping[str, Declared], max_bytes: int) -> None:
    """Raise `RunError` if using the run would take more memory than `max_bytes`, by the shapes that
    its file declares: nothing of it is unpacked before."""
    shapes = {name: told.shape for name, told in declared.items()}
    states = [
        shape[0] for name, shape in shapes.items() if re.fullmatch(r"(scale\d+_)?states", name)
    ]
    size = sum(told.nbytes for told in declared.values())
    size += _PER_HEADER_BYTE * declared["header"].nbytes
    layers = shapes.get("layers_states", (0,))[0]
    size += kept_bytes(shapes["unembedding_rows"], sum(states), layers)
    if size > max_bytes:
        raise RunError(
            f"it takes {size / 1e6:,.0f} MB in use, and {max_bytes / 1e6:,.0f} MB are the most"
        )


def _from_arrays(a: Arrays, kind: type[R], left: int) -> R:
    header = _open_header(a["header"])
    if header["format"] != FORMAT or header["version"] not in (1, 2, FORMAT_VERSION):
        raise RunError(f"run format {header['format']} {header['version']} is not known here")
    if header["version"] == 1:
        header, a = _from_version_1(header, a)
    images, video = _media(header, a, left)
    scales = tuple(
        _scale(told, a[f"scale{i}_states"], a[f"scale{i}_rects"])
        for i, told in enumerate(header["scales"])
    )
    fills = header.get("evidence")
    attributions = _attributions(header.get("attributions", []), a)
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
        attribution_notes=_notes(header.get("attribution_notes", []), attributions),
        visual_topk=a.get("visual_topk"),
        evidence=Evidence(tuple(map(str, fills)), a["evidence"]) if fills else None,
        layer=None if header.get("layer") is None else int(header["layer"]),
        layers=_layers(header.get("layers", []), scales, a),
    )


def _open_header(data: np.ndarray) -> dict[str, Any]:
    """Return the JSON of a header; numbers that are none, such as NaN, are no JSON."""
    if data.nbytes > MOST_HEADER:
        raise RunError(f"its header of {data.nbytes} bytes is longer than {MOST_HEADER}")

    def refuse(constant: str) -> None:
        raise RunError(f"its header holds {constant}")

    text = data.tobytes().decode("utf-8", "surrogatepass")
    return json.loads(text, parse_constant=refuse)


def _media(
    header: Mapping[str, Any], arrays: Arrays, left: int
) -> tuple[tuple[Pixels, ...], Video | None]:
    """Return the images, and the video whose frames they are; `RunError`, before any of them is
    decoded, if they have too many pixels, or reading them takes more than the bytes that are left.
    """
    told, count = header.get("video"), len(header["labels"])
    stored = [
        arrays[f"image{i}_png"].tobytes() for i in range(len(told["numbers"]) if told else count)
    ]
    _check_pictures(stored, left, _KEPT * (2 if told else 1))  # frames are stacked once read
    images = [_open_png(data) for data in stored]
    if not told:
        return tuple(images), None
    frames, numbers = np.stack(images), tuple(map(int, told["numbers"]))
    video = Video(frames, arrays["video_times"], float(told["interval"]), numbers)
    return tuple(frames[:: len(stored) // count]), video


def _check_pictures(stored: list[bytes], left: int, kept: int) -> None:
    """Raise `RunError` unless these are PNGs as `write` makes them, which take so many bytes at
    most, each pixel those that are `kept`."""
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


def _open_png(data: bytes) -> Pixels:
    """Return the pixels of a PNG."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
        return np.array(picture)


def _scale(told: Mapping[str, Any], states: np.ndarray, rects: np.ndarray) -> Scale:
    """Return a scale from its part of the header and its arrays."""
    grids = [(int(rows), int(columns)) for _, rows, columns in told["views"]]
    stops = np.cumsum([rows * columns for rows, columns in grids])
    parts = np.split(rects, stops[:-1])  # what is too much stays with the last, which refuses it
    views = tuple(
        View(int(image), grid, part)
        for (image, *_), grid, part in zip(told["views"], grids, parts, strict=True)
    )
    return Scale(
        float(told["alpha"]), views, states, int(told["base_id"]), _id_or_none(told.get("least_id"))
    )


def _layers(told: list[Any], scales: tuple[Scale, ...], a: Arrays) -> tuple[Layer, ...]:
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
        for i, layer in enumerate(told)
    )


def _id_or_none(told: Any) -> int | None:
    return None if told is None else int(told)


def _attributions(told: list[Any], arrays: Arrays) -> dict[AttributionKey, np.ndarray]:
    """Return the maps of comparison methods; files written before there were any hold none."""
    keys = [
        (str(method), int(token), tuple((str(name), value) for name, value in options))
        for method, token, options in told
    ]
    return dict(zip(keys, arrays["attributions"], strict=True)) if keys else {}


def _notes(
    told: list[Any], attributions: Mapping[AttributionKey, np.ndarray]
) -> dict[AttributionKey, dict[str, float]]:
    """Return what belongs to the maps of comparison methods; older files hold nothing of it."""
    if not told:
        return {}
    named = zip(attributions, told, strict=True)
    return {key: {str(n): float(v) for n, v in notes.items()} for key, notes in named if notes}


def _from_version_1(header: Mapping[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Return header and arrays of one picture with one grid at each scale as version 2 has them."""
    scales = [
        {"alpha": alpha, "base_id": base_id, "views": [[0, rows, columns]]}
        for alpha, rows, columns, base_id in header["scales"]
    ]
    return (
        {**header, "labels": [""], "scales": scales},
        {**arrays, "image0_png": arrays["image_png"]},
    )
