"""Loading takes the weights and hardly more, in every family, and as much as is said before."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from explainer.models.loading import fit, stand_in, weights
from explainer.models.loading.memory import with_room
from explainer.recording.load import load
from tests import tiny, tiny_tiles
from tests.apart import memory, run_apart
from tests.models.internvl_chat_files import publish
from tests.models.internvl_chat_reference import INTERNLM2, QWEN2

SHARD = 50_000_000
WIDE = {
    "hidden_size": 768,
    "intermediate_size": 4096,
    "num_hidden_layers": 8,
    "num_attention_heads": 12,
    "num_key_value_heads": 12,
    "initializer_range": 0.02,
}


def _wide(make: Callable[[Path], Path]) -> Callable[[Path], None]:
    """Return what saves random weights of a checkpoint of `tiny` with a wide language model."""

    def save(folder: Path) -> None:
        source = make(folder.with_name("source"))
        config = json.loads((source / "config.json").read_text())
        text = config["text_config"]
        text |= WIDE | {"head_dim": WIDE["hidden_size"] // WIDE["num_attention_heads"]}
        text.pop("layer_types", None)  # of each layer before
        if config["model_type"] == "qwen2_vl":
            text["rope_parameters"]["mrope_section"] = [8, 12, 12]
            config["vision_config"]["hidden_size"] = WIDE["hidden_size"]
        (source / "config.json").write_text(json.dumps(config))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stand_in, "_SHARD", SHARD)
            stand_in.write_stand_in(source, folder, "bfloat16")

    return save


def _published(llm: Mapping[str, Any]) -> Callable[[Path], None]:
    """Return what saves a checkpoint in the layout of InternVL2.5's authors, in shards."""

    def save(folder: Path) -> None:
        publish(folder, {**llm, **WIDE})
        tensors: dict[str, torch.Tensor] = {}
        for file in weights.weight_files(folder):
            tensors |= {name: t.bfloat16() for name, t in load_file(file).items()}
            file.unlink()
        shards: list[dict[str, torch.Tensor]] = [{}]
        for name, tensor in tensors.items():
            if sum(t.nbytes for t in shards[-1].values()) + tensor.nbytes > SHARD:
                shards.append({})
            shards[-1][name] = tensor
        names = [f"model-{at:05}.safetensors" for at in range(len(shards))]
        for name, shard in zip(names, shards, strict=True):
            save_file(shard, folder / name, metadata={"format": "pt"})
        home = {key: n for n, shard in zip(names, shards, strict=True) for key in shard}
        (folder / weights.INDEX).write_text(json.dumps({"weight_map": home}))

    return save


# Each layout as a tiny checkpoint, and as one whose weights can be told from all else.
LAYOUTS = {
    "qwen2_vl": (tiny.qwen2_vl, _wide(tiny.qwen2_vl)),
    "llava": (tiny_tiles.llava, _wide(tiny_tiles.llava)),
    "internvl": (tiny_tiles.internvl, _wide(tiny_tiles.internvl)),
    "internvl_chat of InternLM2": (publish, _published(INTERNLM2)),
    "internvl_chat of Qwen2": (partial(publish, llm=QWEN2), _published(QWEN2)),
}


@pytest.fixture(scope="module", params=LAYOUTS)
def folders(request, tmp_path_factory) -> tuple[Path, Path]:
    """A tiny model, and one of 190 MB in bfloat16, its files links to others, as in the hub's
    cache."""
    place = tmp_path_factory.mktemp("memory")
    small, large = LAYOUTS[request.param]
    for name in ("small", "large", "blobs"):
        (place / name).mkdir()
    small(place / "small")
    large(place / "blobs")
    for at, file in enumerate(sorted((place / "blobs").iterdir())):
        (place / "large" / file.name).symlink_to(file.rename(file.with_name(f"blob{at}")))
    return place / "small", place / "large"


def _load(small: Path, large: Path, dtype: str) -> tuple[int, int, float]:
    """Load a model, and return the peak beyond what the process held before, the bytes of the
    weights, and the sum of their values."""
    load(small, device="cpu", dtype=dtype)  # what is imported for it is no part of the figure
    before = memory()
    loaded = load(large, device="cpu", dtype=dtype)
    total = sum(float(p.detach().double().sum()) for p in loaded.family.model.parameters())
    return memory("VmHWM") - before, loaded.nbytes, total


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is held, and gives back")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_loading_holds_no_second_copy_of_the_weights(folders, dtype):
    peak, size, total = run_apart(_load, *folders, dtype)
    folder = folders[1]
    files = [*folder.glob("*.safetensors")]
    shard = max(f.stat().st_size for f in files)
    assert len(files) > 3
    assert peak <= 1.15 * size + shard
    counts = weights.count(weights.stored(folder))
    said = fit.needed(counts, dtype) - with_room(0)  # without what recording takes
    assert 0.9 * peak <= said <= 1.1 * peak
    stored = sum(float(t.double().sum()) for f in files for t in load_file(f).values())
    assert total == pytest.approx(stored, abs=1e-3 * abs(stored) + 1)
