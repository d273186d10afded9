"""The models of the hub that the menu lists, with what is known of them before a download."""

from __future__ import annotations

from typing import NamedTuple


class Series(NamedTuple):
    """Models that were published together.

    Attributes:
        released: the month, as "2026-04".
        model_type: as in their config.json.
        licence: its name, and after a colon what it forbids.
        dtype: of the published weights, a key of `memory.BITS`.
        models: id; parameters; those in the embeddings of words and the unembedding; those in the
            vision tower. They are counted in the model once it is loaded; a test rebuilds each
            architecture and counts.
    """

    released: str
    model_type: str
    licence: str
    dtype: str
    models: tuple[tuple[str, int, int, int], ...]


_GEMMA = "Gemma Terms of Use"
_APACHE, _LLAMA = "Apache 2.0", "Llama 2 Community License"
_LFM = "LFM Open License v1.0: commercial use below 10 million US dollars of yearly revenue"
_INTERN = "MIT, its language model under a licence of its own"

SERIES = (
    Series(
        "2026-04",
        "gemma4",
        _APACHE,
        "bfloat16",
        (
            ("google/gemma-4-E2B-it", 5_104_297_504, 2_751_463_424, 167_364_608),
            ("google/gemma-4-E4B-it", 7_941_100_832, 3_489_660_928, 167_364_608),
            ("google/gemma-4-31B-it", 31_273_086_512, 1_409_286_144, 569_548_080),
        ),
    ),
    Series(
        "2026-04",
        "lfm2_vl",
        _LFM,
        "bfloat16",
        (("LiquidAI/LFM2.5-VL-450M", 448_718_848, 67_108_864, 85_843_200),),
    ),
    Series(
        "2026-03",
        "qwen3_5",
        _APACHE,
        "bfloat16",
        (
            ("Qwen/Qwen3.5-0.8B", 852_985_920, 254_279_680, 100_592_896),
            ("Qwen/Qwen3.5-2B", 2_213_241_664, 508_559_360, 331_416_576),
            ("Qwen/Qwen3.5-4B", 4_539_265_536, 635_699_200, 333_514_240),
            ("Qwen/Qwen3.5-9B", 9_409_813_744, 2_034_237_440, 456_010_480),
        ),
    ),
    Series(
        "2026-02",
        "qwen3_5_moe",
        _APACHE,
        "bfloat16",
        (("Qwen/Qwen3.5-35B-A3B", 35_107_181_936, 1_017_118_720, 446_571_248),),
    ),
    Series(
        "2026-01",
        "lfm2_vl",
        _LFM,
        "bfloat16",
        (("LiquidAI/LFM2.5-VL-1.6B", 1_596_625_904, 134_217_728, 412_649_712),),
    ),
    Series(
        "2025-10",
        "qwen3_vl",
        _APACHE,
        "bfloat16",
        (
            ("Qwen/Qwen3-VL-2B-Instruct", 2_127_532_032, 311_164_928, 406_957_056),
            ("Qwen/Qwen3-VL-4B-Instruct", 4_437_815_808, 388_956_160, 415_347_712),
            ("Qwen/Qwen3-VL-8B-Instruct", 8_767_123_696, 1_244_659_712, 576_388_336),
        ),
    ),
    Series(
        "2025-08",
        "internvl",
        _APACHE,
        "bfloat16",
        (
            ("OpenGVLab/InternVL3_5-1B-HF", 1_060_897_792, 311_164_928, 304_012_288),
            ("OpenGVLab/InternVL3_5-2B-HF", 2_348_347_392, 622_329_856, 304_012_288),
            ("OpenGVLab/InternVL3_5-4B-HF", 4_732_489_216, 777_912_320, 304_012_288),
            ("OpenGVLab/InternVL3_5-8B-HF", 8_528_318_464, 1_244_659_712, 304_012_288),
        ),
    ),
    Series(
        "2025-04",
        "internvl",
        _INTERN,
        "bfloat16",
        (
            ("OpenGVLab/InternVL3-1B-hf", 938_193_024, 271_799_808, 304_012_288),
            ("OpenGVLab/InternVL3-2B-hf", 2_088_957_440, 465_942_528, 304_012_288),
            ("OpenGVLab/InternVL3-8B-hf", 7_944_373_760, 1_087_199_232, 304_012_288),
        ),
    ),
    Series(
        "2025-03",
        "gemma3",
        _GEMMA,
        "bfloat16",
        (
            ("google/gemma-3-4b-it", 4_300_079_472, 671_252_480, 416_866_032),
            ("google/gemma-3-12b-it", 12_187_325_040, 1_006_878_720, 416_866_032),
            ("google/gemma-3-27b-it", 27_432_406_640, 1_409_630_208, 416_866_032),
        ),
    ),
    Series(
        "2025-02",
        "smolvlm",
        _APACHE,
        "float32",
        (
            ("HuggingFaceTB/SmolVLM2-256M-Video-Instruct", 256_484_928, 56_770_560, 86_433_024),
            ("HuggingFaceTB/SmolVLM2-500M-Video-Instruct", 507_482_304, 94_617_600, 86_433_024),
            ("HuggingFaceTB/SmolVLM2-2.2B-Instruct", 2_246_784_880, 201_850_880, 412_987_248),
        ),
    ),
    Series(
        "2025-01",
        "qwen2_5_vl",
        "Qwen Research License: no commercial use",
        "bfloat16",
        (("Qwen/Qwen2.5-VL-3B-Instruct", 3_754_622_976, 311_164_928, 668_684_288),),
    ),
    Series(
        "2025-01",
        "qwen2_5_vl",
        _APACHE,
        "bfloat16",
        (("Qwen/Qwen2.5-VL-7B-Instruct", 8_292_166_656, 1_089_994_752, 676_550_144),),
    ),
    Series(
        "2025-01",
        "idefics3",
        _APACHE,
        "bfloat16",
        (
            ("HuggingFaceTB/SmolVLM-256M-Instruct", 256_484_928, 56_770_560, 86_433_024),
            ("HuggingFaceTB/SmolVLM-500M-Instruct", 507_482_304, 94_617_600, 86_433_024),
        ),
    ),
    Series(
        "2024-12",
        "internvl_chat",
        _INTERN,
        "bfloat16",
        (
            ("OpenGVLab/InternVL2_5-1B", 938_193_024, 271_799_808, 304_012_288),
            ("OpenGVLab/InternVL2_5-2B", 2_205_754_368, 379_097_088, 304_012_288),
            ("OpenGVLab/InternVL2_5-4B", 3_712_637_952, 621_256_704, 304_012_288),
            ("OpenGVLab/InternVL2_5-8B", 8_075_365_376, 758_194_176, 304_012_288),
        ),
    ),
    Series(
        "2024-08",
        "llava_onevision",
        _APACHE,
        "float16",
        (
            ("llava-hf/llava-onevision-qwen2-0.5b-ov-hf", 893_618_208, 136_134_656, 397_747_744),
            ("llava-hf/llava-onevision-qwen2-7b-ov-hf", 8_030_348_832, 1_089_994_752, 397_747_744),
        ),
    ),
    Series(
        "2024-08",
        "qwen2_vl",
        _APACHE,
        "bfloat16",
        (
            ("Qwen/Qwen2-VL-2B-Instruct", 2_208_985_600, 233_373_696, 665_271_296),
            ("Qwen/Qwen2-VL-7B-Instruct", 8_291_375_616, 1_089_994_752, 675_759_104),
        ),
    ),
    Series(
        "2024-01",
        "llava_next",
        _APACHE,
        "float16",
        (("llava-hf/llava-v1.6-mistral-7b-hf", 7_566_747_648, 262_668_288, 303_507_456),),
    ),
    Series(
        "2024-01",
        "llava_next",
        _LLAMA,
        "float16",
        (("llava-hf/llava-v1.6-vicuna-7b-hf", 7_063_431_168, 262_668_288, 303_507_456),),
    ),
    Series(
        "2023-10",
        "llava",
        _LLAMA,
        "float16",
        (
            ("llava-hf/llava-1.5-7b-hf", 7_063_427_072, 262_668_288, 303_507_456),
            ("llava-hf/llava-1.5-13b-hf", 13_351_494_656, 328_335_360, 303_507_456),
        ),
    ),
)
