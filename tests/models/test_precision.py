"""What dtype "auto" means on a CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from explainer.models.loading import load as loading
from explainer.models.loading import precision
from explainer.models.loading.options import LoadOptions

X86 = "processor : 0\nflags\t\t: fpu sse2 avx2 {}\n\n"
ARM = "processor : 0\nFeatures\t: fp asimd {}\n\n"
LARGE = 2_000_000_000


def _cpu(tmp_path: Path, text: str) -> Path:
    (tmp_path / "cpuinfo").write_text(text)
    return tmp_path / "cpuinfo"


@pytest.mark.parametrize(
    "text", [X86.format("avx512_bf16"), X86.format("amx_bf16 amx_tile"), ARM.format("i8mm bf16")]
)
def test_large_models_take_bfloat16_where_it_is_native(tmp_path, text):
    cpu = _cpu(tmp_path, text)
    assert precision.auto_dtype(LARGE, cpu) == "bfloat16"
    assert precision.auto_dtype(3_600_000, cpu) == "float32"


@pytest.mark.parametrize("text", [X86.format("avx512f avx_vnni"), ARM.format("i8mm"), "", "flags"])
def test_models_take_float32_elsewhere(tmp_path, text):
    assert precision.auto_dtype(LARGE, _cpu(tmp_path, text)) == "float32"
    assert precision.auto_dtype(LARGE, tmp_path / "none") == "float32"


@pytest.mark.parametrize(
    ("options", "native", "wanted"),
    [
        (LoadOptions(device="cpu"), True, torch.bfloat16),
        (LoadOptions(device="cpu"), False, torch.float32),
        (LoadOptions(device="cpu", dtype="float32"), True, torch.float32),
    ],
)
def test_a_model_is_loaded_as_auto_says(qwen_folder, monkeypatch, options, native, wanted):
    monkeypatch.setattr(precision, "TINY", 1)
    monkeypatch.setattr(precision, "computes_bfloat16", lambda cpuinfo: native)
    family = loading.load_family(qwen_folder, options)
    assert family.unembedding.weight.dtype == wanted
