"""The models that the menu offers: those that come with the program, and a list of hub ids.

Sizes are facts of the checkpoints; what a family can and cannot do is read off its class.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from explainer.errors import ModelError
from explainer.models import FAMILIES, family_class
from explainer.models.loading.memory import PHOTO_TOKENS, weight_bytes, with_room
from explainer.models.loading.weights import Counts, count, stored

FOLDER = Path(__file__).parent.parent.parent.parent / "assets" / "models"
BUNDLED, HUB, OWN, NAMED = "bundled", "hub", "own", "named"

# What the hub takes as OWNER/NAME, so that no part of it can lead out of a folder.
_HUB_ID = re.compile(r"(?!.*(\.\.|--))[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(?<![.-])", re.ASCII)
_LONGEST_HUB_ID = 96


@dataclass(frozen=True)
class Entry:
    """One model to choose.

    Attributes:
        id: hub id, or the name of a folder; shown to visitors.
        model_type: as in its config.json; "" if not read yet.
        parameters: how many, 0 if not known.
        embeddings: those in the embeddings of words and the unembedding.
        tower: those in the vision tower.
        licence: its name, "" if not known.
        kind: `BUNDLED` (tiny, comes with the program), `HUB` (of the list here), `OWN` (named by
            the owner of the server) or `NAMED` (by a visitor).
        revision: a branch, tag or commit of the hub id.
        folder: path on this machine, never shown to visitors.
    """

    id: str
    model_type: str = ""
    parameters: int = 0
    embeddings: int = 0
    tower: int = 0
    licence: str = ""
    kind: str = OWN
    revision: str | None = None
    folder: Path | None = None

    @property
    def source(self) -> str:
        """Return the argument of `explainer.load`: the folder, or the hub id."""
        return str(self.folder or self.id)

    @property
    def bundled(self) -> bool:
        return self.kind == BUNDLED

    def needs(self, precision: str) -> int | None:
        """Return the bytes needed for loading and running the model; None if unknown.

        These are the weights, parameters times bits over 8, and room for a picture and an answer,
        see `memory`. `precision` is a key of `memory.BITS`.
        """
        if not self.parameters:
            return None
        weights = weight_bytes(self.parameters, self.embeddings, precision)
        known = self.model_type in FAMILIES
        tokens = family_class(self.model_type).photo_tokens if known else PHOTO_TOKENS
        return with_room(weights, tokens)


_GEMMA = "Gemma Terms of Use"
_APACHE, _LLAMA = "Apache 2.0", "Llama 2 Community License"
_LFM = "LFM Open License v1.0: commercial use below 10 million US dollars of yearly revenue"
_INTERN = "MIT, its language model under a licence of its own"

# Families in the order of their release, the newest first. Parameters, and those of the embeddings
# and of the vision tower, as the model has them once it is loaded; a test rebuilds each
# architecture and counts.
_HUB = (
    ("google/gemma-4-E2B-it", "gemma4", 5_104_297_504, 2_751_463_424, 167_364_608, _APACHE),
    ("google/gemma-4-E4B-it", "gemma4", 7_941_100_832, 3_489_660_928, 167_364_608, _APACHE),
    ("google/gemma-4-31B-it", "gemma4", 31_273_086_512, 1_409_286_144, 569_548_080, _APACHE),
    ("Qwen/Qwen3.5-0.8B", "qwen3_5", 852_985_920, 254_279_680, 100_592_896, _APACHE),
    ("Qwen/Qwen3.5-2B", "qwen3_5", 2_213_241_664, 508_559_360, 331_416_576, _APACHE),
    ("Qwen/Qwen3.5-4B", "qwen3_5", 4_539_265_536, 635_699_200, 333_514_240, _APACHE),
    ("Qwen/Qwen3.5-9B", "qwen3_5", 9_409_813_744, 2_034_237_440, 456_010_480, _APACHE),
    ("Qwen/Qwen3.5-35B-A3B", "qwen3_5_moe", 35_107_181_936, 1_017_118_720, 446_571_248, _APACHE),
    ("LiquidAI/LFM2.5-VL-450M", "lfm2_vl", 448_718_848, 67_108_864, 85_843_200, _LFM),
    ("LiquidAI/LFM2.5-VL-1.6B", "lfm2_vl", 1_596_625_904, 134_217_728, 412_649_712, _LFM),
    ("Qwen/Qwen3-VL-2B-Instruct", "qwen3_vl", 2_127_532_032, 311_164_928, 406_957_056, _APACHE),
    ("Qwen/Qwen3-VL-4B-Instruct", "qwen3_vl", 4_437_815_808, 388_956_160, 415_347_712, _APACHE),
    ("Qwen/Qwen3-VL-8B-Instruct", "qwen3_vl", 8_767_123_696, 1_244_659_712, 576_388_336, _APACHE),
    ("OpenGVLab/InternVL3_5-1B-HF", "internvl", 1_060_897_792, 311_164_928, 304_012_288, _APACHE),
    ("OpenGVLab/InternVL3_5-2B-HF", "internvl", 2_348_347_392, 622_329_856, 304_012_288, _APACHE),
    ("OpenGVLab/InternVL3_5-4B-HF", "internvl", 4_732_489_216, 777_912_320, 304_012_288, _APACHE),
    ("OpenGVLab/InternVL3_5-8B-HF", "internvl", 8_528_318_464, 1_244_659_712, 304_012_288, _APACHE),
    ("OpenGVLab/InternVL3-1B-hf", "internvl", 938_193_024, 271_799_808, 304_012_288, _INTERN),
    ("OpenGVLab/InternVL3-2B-hf", "internvl", 2_088_957_440, 465_942_528, 304_012_288, _INTERN),
    ("OpenGVLab/InternVL3-8B-hf", "internvl", 7_944_373_760, 1_087_199_232, 304_012_288, _INTERN),
    ("google/gemma-3-4b-it", "gemma3", 4_300_079_472, 671_252_480, 416_866_032, _GEMMA),
    ("google/gemma-3-12b-it", "gemma3", 12_187_325_040, 1_006_878_720, 416_866_032, _GEMMA),
    ("google/gemma-3-27b-it", "gemma3", 27_432_406_640, 1_409_630_208, 416_866_032, _GEMMA),
    (
        "HuggingFaceTB/SmolVLM2-256M-Video-Instruct",
        "smolvlm",
        256_484_928,
        56_770_560,
        86_433_024,
        _APACHE,
    ),
    (
        "HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
        "smolvlm",
        507_482_304,
        94_617_600,
        86_433_024,
        _APACHE,
    ),
    (
        "HuggingFaceTB/SmolVLM2-2.2B-Instruct",
        "smolvlm",
        2_246_784_880,
        201_850_880,
        412_987_248,
        _APACHE,
    ),
    (
        "Qwen/Qwen2.5-VL-3B-Instruct",
        "qwen2_5_vl",
        3_754_622_976,
        311_164_928,
        668_684_288,
        "Qwen Research License: no commercial use",
    ),
    (
        "Qwen/Qwen2.5-VL-7B-Instruct",
        "qwen2_5_vl",
        8_292_166_656,
        1_089_994_752,
        676_550_144,
        _APACHE,
    ),
    ("OpenGVLab/InternVL2_5-1B", "internvl_chat", 938_193_024, 271_799_808, 304_012_288, _INTERN),
    ("OpenGVLab/InternVL2_5-2B", "internvl_chat", 2_205_754_368, 379_097_088, 304_012_288, _INTERN),
    ("OpenGVLab/InternVL2_5-4B", "internvl_chat", 3_712_637_952, 621_256_704, 304_012_288, _INTERN),
    ("OpenGVLab/InternVL2_5-8B", "internvl_chat", 8_075_365_376, 758_194_176, 304_012_288, _INTERN),
    (
        "HuggingFaceTB/SmolVLM-256M-Instruct",
        "idefics3",
        256_484_928,
        56_770_560,
        86_433_024,
        _APACHE,
    ),
    (
        "HuggingFaceTB/SmolVLM-500M-Instruct",
        "idefics3",
        507_482_304,
        94_617_600,
        86_433_024,
        _APACHE,
    ),
    (
        "llava-hf/llava-onevision-qwen2-0.5b-ov-hf",
        "llava_onevision",
        893_618_208,
        136_134_656,
        397_747_744,
        _APACHE,
    ),
    (
        "llava-hf/llava-onevision-qwen2-7b-ov-hf",
        "llava_onevision",
        8_030_348_832,
        1_089_994_752,
        397_747_744,
        _APACHE,
    ),
    ("Qwen/Qwen2-VL-2B-Instruct", "qwen2_vl", 2_208_985_600, 233_373_696, 665_271_296, _APACHE),
    ("Qwen/Qwen2-VL-7B-Instruct", "qwen2_vl", 8_291_375_616, 1_089_994_752, 675_759_104, _APACHE),
    (
        "llava-hf/llava-v1.6-mistral-7b-hf",
        "llava_next",
        7_566_747_648,
        262_668_288,
        303_507_456,
        _APACHE,
    ),
    (
        "llava-hf/llava-v1.6-vicuna-7b-hf",
        "llava_next",
        7_063_431_168,
        262_668_288,
        303_507_456,
        _LLAMA,
    ),
    ("llava-hf/llava-1.5-7b-hf", "llava", 7_063_427_072, 262_668_288, 303_507_456, _LLAMA),
    ("llava-hf/llava-1.5-13b-hf", "llava", 13_351_494_656, 328_335_360, 303_507_456, _LLAMA),
)


def hub() -> list[Entry]:
    """Return the listed hub ids whose family is supported."""
    return [Entry(*facts, kind=HUB) for facts in _HUB if facts[1] in FAMILIES]


def bundled(folder: Path = FOLDER) -> list[Entry]:
    """Return the models in a folder of the repository, the one of the Qwen2-VL family first."""
    found = [f.parent for f in sorted(folder.glob("*/config.json"))]
    entries = [make_folder_entry(f, BUNDLED) for f in found]
    order = {model_type: at for at, model_type in enumerate(FAMILIES)}
    known = [e for e in entries if e.model_type in order]
    return sorted(known, key=lambda e: order[e.model_type])


def offered(start: Entry, names: Sequence[str] | None, public: bool) -> list[Entry]:
    """Return the models of a menu: `start`, the bundled ones, and those in `names`.

    Without names these are all hub ids of the list, except on a public server: there visitors would
    fill the disk and displace each other's models, so the owner has to name them.
    """
    named = [entry_for(name) for name in names] if names is not None else [] if public else hub()
    found = {e.source: e for e in [start, *bundled(), *named]}
    return _number_duplicates(list(found.values()))


def _number_duplicates(entries: Sequence[Entry]) -> list[Entry]:
    """Append a number to the ids of folders that share a name."""
    names: dict[str, int] = {}
    numbered = []
    for entry in entries:
        names[entry.id] = names.get(entry.id, 0) + 1
        number = names[entry.id]
        numbered.append(entry if number == 1 else replace(entry, id=f"{entry.id} ({number})"))
    return numbered


def make_folder_entry(folder: Path, kind: str = OWN) -> Entry:
    """Return the entry of a model on this machine, with sizes from its safetensors files."""
    raw = _json(folder / "config.json")
    try:
        size = count(stored(folder))
    except ModelError:  # reported when it is loaded
        size = Counts(0, 0, 0)
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    licence = re.search(r"\A---\n.*?^license:\s*(\S+)", text, re.S | re.M)
    return Entry(
        folder.resolve().name,
        str(raw.get("model_type", "")),
        size.parameters,
        size.embeddings,
        size.tower,
        licence[1] if licence else "",
        kind,
        folder=folder,
    )


def entry_for(model: str, revision: str | None = None) -> Entry:
    """Return the entry of a hub id or folder, with its known facts."""
    folder = Path(model)
    if folder.is_dir():
        return make_folder_entry(
            folder, BUNDLED if folder.resolve().parent == FOLDER.resolve() else OWN
        )
    for known in hub():
        if known.id == model:
            return replace(known, revision=revision)
    return Entry(model, revision=revision)


def make_visitor_entry(name: str) -> Entry | None:
    """Return the entry of a hub id that a visitor typed, or None if it is not one.

    Folders are not looked up, so that visitors cannot find out which exist.
    """
    if len(name) > _LONGEST_HUB_ID or not _HUB_ID.fullmatch(name):
        return None
    known = next((entry for entry in hub() if entry.id == name), Entry(name))
    return replace(known, kind=NAMED)


def describe_abilities(model_type: str) -> str:
    """Describe what models of a family can and cannot do."""
    try:
        family = family_class(model_type)
    except ModelError:
        return ""
    low, high = family.alphas
    most, video = family.max_images, " or a video" if family.video_token else ""
    facts = [
        f"up to {most} pictures{video} a prompt" if most > 1 else f"one picture{video} a prompt",
        f"scales {low:g} to {high:g}" if high > 1 else f"scales {low:g} to 1, none above",
    ]
    return f"{family.label}: {', '.join(facts)}. {family.note}".strip()


def collect_facts(explainer: Any) -> dict[str, Any]:
    """Return facts of a loaded explainer, or {} for None.

    The keys are label, alphas, model_type, device, dtype, repetition_penalty and can_think.
    """
    family = getattr(explainer, "family", None)
    if family is None:
        return {}
    weight = family.unembedding.weight
    return {
        "label": family.label,
        "alphas": family.alphas,
        "model_type": family.model.config.model_type,
        "device": str(family.device),
        "dtype": str(weight.dtype).removeprefix("torch."),
        "repetition_penalty": family.repetition_penalty,
        "can_think": family.can_think,
    }


def _json(file: Path) -> dict:
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}
