"""Which numbers a model is held in on a CPU if nobody says it."""

from __future__ import annotations

from pathlib import Path

# Models with fewer parameters stay in float32: they need little memory and time either way. Their
# maps would hardly change in bfloat16: `python -m tests.bfloat16_maps` measures it.
TINY = 50_000_000
_CPUINFO = Path("/proc/cpuinfo")
# As Linux names them: AVX512-BF16 and AMX on x86, BF16 on Arm.
_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def computes_bfloat16(cpuinfo: Path = _CPUINFO) -> bool:
    """Return whether this processor multiplies bfloat16 by instructions of its own.

    Without them torch converts to and fro, which is slower than float32. False where the system
    does not tell (it is read from Linux's list of features).
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
    """Return what `dtype` "auto" means on a CPU for a model of so many parameters."""
    return "bfloat16" if parameters >= TINY and computes_bfloat16(cpuinfo) else "float32"
