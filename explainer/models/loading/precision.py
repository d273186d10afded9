"""The default precision of a model on a CPU."""

from __future__ import annotations

from pathlib import Path

# Models with fewer parameters stay in float32: they need little memory and time either way. Their
# maps would hardly change in bfloat16; `python -m tests.bfloat16_maps` measures this.
TINY = 50_000_000
_CPUINFO = Path("/proc/cpuinfo")
# As Linux names them: AVX512-BF16 and AMX on x86, BF16 on Arm.
_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def computes_bfloat16(cpuinfo: Path = _CPUINFO) -> bool:
    """Return whether this processor has instructions to multiply bfloat16.

    Without them torch converts to float32 and back, which is slower than float32. False where the
    system does not tell (Linux lists the features of the processor).
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() in ("flags", "features"):
            return not _INSTRUCTIONS.isdisjoint(value.split())
    return False


def auto_dtype(parameters: int, cpuinfo: Path = _CPUINFO) -> str:
    """Return the meaning of dtype "auto" on a CPU for a model of so many parameters."""
    return "bfloat16" if parameters >= TINY and computes_bfloat16(cpuinfo) else "float32"
