"""Training of the bundled model on the emoji world.

Two losses. The usual next-token loss on the answers, and at the visual positions an image-level
bag of words: for each token w of the caption, -log of the mean over visual tokens i of
softmax(W z_i)[w]. The second is what makes the last layer readable at visual positions; next-token
loss alone sends no gradient there. It sees captions only, never a mask, so where a thing is remains
something that the model has to find out.

One sequence holds the picture once and several dialogues after it, each blind to the others, so
that a picture is encoded once for all that is said about it.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from tqdm import tqdm
from transformers import AttentionInterface, Qwen2Tokenizer, Qwen2VLForConditionalGeneration
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from explainer.emoji_world import checkpoint
from explainer.emoji_world.checkpoint import MERGE, PATCH, SYSTEM, TOKEN_PX
from explainer.emoji_world.language import Dialogue, lesson
from explainer.emoji_world.scenes import FIRST_TRAINING_SEED, Limits, Scene, make_scene
from explainer.errors import ModelError

IGNORE = -100


@dataclass(frozen=True)
class Stage:
    """A part of the curriculum: it lasts until `until` of the run and draws scenes from `limits`,
    each size with its weight; a picture's sides are whole tokens."""

    until: float
    limits: tuple[tuple[float, Limits], ...]
    dialogues: int


def _limits(
    low: int, high: int, most: int, small: float, large: float, least: int, fewest: int = 1
) -> Limits:
    return Limits(sides=(low, high), count=(fewest, most), share=(small, large), least=least)


CURRICULUM: tuple[Stage, ...] = (
    Stage(0.05, ((1.0, _limits(48, 80, 1, 0.6, 0.98, 28)),), 3),
    Stage(0.13, ((1.0, _limits(64, 128, 2, 0.35, 0.85, 28)),), 4),
    Stage(0.30, ((1.0, _limits(80, 176, 3, 0.22, 0.7, 28)),), 5),
    Stage(
        1.00,
        (
            (0.65, _limits(96, 208, 4, 0.16, 0.55, 36, fewest=2)),  # long lists are the hard part
            (0.22, _limits(160, 304, 4, 0.16, 0.55, 40)),
            (0.13, _limits(256, 448, 4, 0.16, 0.55, 40)),
        ),
        8,
    ),
)


@dataclass(frozen=True)
class Recipe:
    """All that decides a training run. With `steps` it is a function of `seed` alone; with
    `minutes` the schedule follows the clock instead."""

    seed: int = 0
    steps: int = 0
    minutes: float = 120.0
    peak_lr: float = 4e-3
    warmup: int = 40
    decay_from: float = 0.55
    weight_decay: float = 0.05
    clip: float = 1.0
    visual_tokens: int = 1600
    bag_weight: float = 0.4


@dataclass(frozen=True, eq=False)
class Batch:
    """B pictures of one size, each with its dialogues.

    Shapes, with L the padded sequence length: `pixels` (B * patches, 3 * 2 * patch^2) float32,
    `grid` (B, 3) int64, `ids` (B, L) int64, `targets` (B, L) int64 (`IGNORE` where nothing is
    learned), `positions` (3, B, L) int64, `mask` (B, 1, L, L) bool (True where a row may look),
    `bags` (B, V) float32 weights over the vocabulary that sum to 1 in each row.
    """

    pixels: torch.Tensor
    grid: torch.Tensor
    ids: torch.Tensor
    targets: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    bags: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on `device`."""
        return Batch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def draw_batch(tokenizer: Qwen2Tokenizer, recipe: Recipe, step: int, progress: float) -> Batch:
    """Return the batch of this step, decided by seed, step and the stage of `progress`."""
    rng = np.random.default_rng([recipe.seed, step])
    stage = next(s for s in CURRICULUM if progress < s.until or s is CURRICULUM[-1])
    weights = [weight for weight, _ in stage.limits]
    limits = stage.limits[int(rng.choice(len(weights), p=weights))][1]
    low, high = (side // TOKEN_PX for side in limits.sides)
    rows, columns = (int(n) for n in rng.integers(low, high + 1, size=2))
    count = int(np.clip(recipe.visual_tokens // (rows * columns), 3, 48))
    seeds = rng.integers(FIRST_TRAINING_SEED, 2**62, size=count)
    scenes = [_scene(int(seed), limits, rows, columns) for seed in seeds]
    lessons = [
        lesson(scene, np.random.default_rng(seed))[: stage.dialogues]
        for scene, seed in zip(scenes, seeds, strict=True)
    ]
    return _batch(tokenizer, [s.image for s in scenes], lessons, rows, columns)


def _scene(seed: int, limits: Limits, rows: int, columns: int) -> Scene:
    """Return a scene of this many tokens; half of them resized a little, as real pictures are."""
    height, width = rows * TOKEN_PX, columns * TOKEN_PX
    dy, dx = np.random.default_rng(seed).integers(-7, 8, size=2) * (seed % 2)
    scene = make_scene(seed, limits, (height + int(dy), width + int(dx)))
    if not (dy or dx):
        return scene
    resized = Image.fromarray(scene.image).resize((width, height), Image.Resampling.BICUBIC)
    return Scene(np.asarray(resized), scene.labels, scene.things, scene.ground)


def patches(images: list[np.ndarray]) -> torch.Tensor:
    """Return pictures of one size as the rows that the family's image processor would make.

    Input: B arrays (H, W, 3) uint8 with sides in whole tokens.
    Output: (B * H/8 * W/8, 384) float32.
    """
    x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    x = (x - torch.tensor(OPENAI_CLIP_MEAN)[:, None, None]) / torch.tensor(OPENAI_CLIP_STD)[
        :, None, None
    ]
    b, c, height, width = x.shape
    x = x.reshape(b, c, height // TOKEN_PX, MERGE, PATCH, width // TOKEN_PX, MERGE, PATCH)
    x = x.permute(0, 2, 5, 3, 6, 1, 4, 7)  # (b, rows, columns, merge, merge, c, patch, patch)
    x = x.reshape(-1, c, 1, PATCH * PATCH).expand(-1, -1, 2, -1)  # a still is two equal frames
    return x.reshape(-1, c * 2 * PATCH * PATCH)


def _batch(
    tokenizer: Qwen2Tokenizer,
    images: list[np.ndarray],
    lessons: list[list[Dialogue]],
    rows: int,
    columns: int,
) -> Batch:
    encode = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    token = tokenizer.convert_tokens_to_ids
    head = encode(f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n<|vision_start|>")
    turn = encode("<|im_end|>\n<|im_start|>assistant\n")
    end = token("<|im_end|>")
    n = rows * columns
    prefix = [*head, *[token("<|image_pad|>")] * n, token("<|vision_end|>")]
    after = len(head) + max(rows, columns)  # rotary position of the token after the picture
    said = [
        [(encode(d.prompt) + turn, [*encode(d.answer), end]) for d in dialogues]
        for dialogues in lessons
    ]
    length = len(prefix) + max(sum(len(q) + len(a) for q, a in s) for s in said)
    b = len(images)
    ids = np.full((b, length), token("<|endoftext|>"), np.int64)
    targets = np.full((b, length), IGNORE, np.int64)
    owner = np.full((b, length), -1, np.int64)  # 0 the picture's prefix, s + 1 dialogue s
    positions = np.zeros((3, b, length), np.int64)
    bags = np.zeros((b, len(tokenizer)), np.float32)
    ids[:, : len(prefix)] = prefix
    owner[:, : len(prefix)] = 0
    positions[:, :, : len(prefix)] = _prefix_positions(len(head), rows, columns)[:, None]
    for i, dialogues in enumerate(said):
        at = len(prefix)
        for s, (question, answer) in enumerate(dialogues):
            stop = at + len(question) + len(answer)
            ids[i, at:stop] = question + answer
            targets[i, at + len(question) - 1 : stop - 1] = answer
            owner[i, at:stop] = s + 1
            positions[:, i, at:stop] = after + 1 + np.arange(stop - at)
            at = stop
        words = np.unique(dialogues[0][1][:-1])  # the caption, without its end
        bags[i, words] = 1 / len(words)
    own = torch.from_numpy(owner)
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    mask = causal & ((own[:, :, None] == own[:, None, :]) | (own[:, None, :] == 0))
    return Batch(
        pixels=patches(images),
        grid=torch.tensor([[1, rows * MERGE, columns * MERGE]] * b),
        ids=torch.from_numpy(ids),
        targets=torch.from_numpy(targets),
        positions=torch.from_numpy(positions),
        mask=mask[:, None],
        bags=torch.from_numpy(bags),
    )


def _prefix_positions(head: int, rows: int, columns: int) -> np.ndarray:
    """Return (3, head + rows * columns + 1): time, height and width positions of the prefix."""
    text = np.tile(np.arange(head), (3, 1))
    row, column = np.divmod(np.arange(rows * columns), columns)
    picture = head + np.stack([np.zeros_like(row), row, column])
    return np.concatenate([text, picture, np.full((3, 1), head + max(rows, columns))], axis=1)


def losses(
    model: Qwen2VLForConditionalGeneration, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the next-token loss and the bag-of-words loss of a batch, both scalars in nats."""
    core = model.model
    seen = core.visual(batch.pixels, grid_thw=batch.grid).pooler_output  # (B * N, d)
    picture = batch.ids == model.config.image_token_id  # (B, L)
    embedded = core.language_model.embed_tokens(batch.ids)
    embedded = embedded.masked_scatter(picture[..., None], seen.to(embedded.dtype))
    states = core.language_model(
        inputs_embeds=embedded,
        attention_mask={"full_attention": batch.mask},
        position_ids=batch.positions,
        use_cache=False,
    ).last_hidden_state  # (B, L, d)
    learned = batch.targets != IGNORE
    spoken = F.cross_entropy(model.lm_head(states[learned]).float(), batch.targets[learned])
    visual = states[picture].reshape(len(batch.ids), -1, states.shape[-1])  # (B, N, d)
    lens = model.lm_head(visual).float().log_softmax(-1)  # (B, N, V)
    bag = -(lens.logsumexp(1) - math.log(lens.shape[1]))  # (B, V)
    return spoken, (bag * batch.bags).sum(1).mean()


def learning_rate(recipe: Recipe, step: int, progress: float) -> float:
    """Return the rate at this step: a short warm-up, a plateau, then a straight line down to 1%."""
    left = (1 - min(progress, 1.0)) / (1 - recipe.decay_from)
    return recipe.peak_lr * min(1.0, (step + 1) / recipe.warmup, 0.01 + 0.99 * left)


def plain_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Return softmax(q k^T) v written out, (B, n, heads, head_dim).

    In bfloat16 on a CPU this trains twice as fast as the fused kernel at the lengths met here.
    """
    groups = getattr(module, "num_key_value_groups", 1)
    key, value = (x.repeat_interleave(groups, dim=1) if groups > 1 else x for x in (key, value))
    scores = (query * scaling) @ key.transpose(-1, -2)
    if attention_mask is not None:
        scores = scores.masked_fill(~attention_mask, -1e4)
    return (scores.softmax(-1) @ value).transpose(1, 2), None


def new_optimizers(model: torch.nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Return Muon for the weight matrices and AdamW for all else (embedding, norms, biases).

    In trials of 150 steps Muon reached an answer loss of 0.35 where AdamW alone reached 0.51.
    """
    if not hasattr(torch.optim, "Muon"):
        raise ModelError(f"training needs torch 2.9 or newer (Muon); this is {torch.__version__}")
    matrices, others = [], []
    for name, parameter in model.named_parameters():
        inner = parameter.ndim == 2 and "embed_tokens" not in name
        (matrices if inner else others).append(parameter)
    return [
        torch.optim.Muon(
            matrices,
            lr=recipe.peak_lr,
            weight_decay=recipe.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        ),
        torch.optim.AdamW(others, lr=recipe.peak_lr, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _state_file(folder: Path) -> Path:
    return folder / "training" / "state.pt"


class Trainer:
    """A training run that can be stopped and resumed: `folder` holds the model in the hub's layout
    and, under training/, the state that a resumed run starts from."""

    def __init__(
        self, folder: Path, recipe: Recipe, device: str, tokenizer: Qwen2Tokenizer
    ) -> None:
        self.folder, self.recipe, self.device = folder, recipe, torch.device(device)
        self.tokenizer = tokenizer
        config = checkpoint.tiny_config(self.tokenizer)
        self.model = checkpoint.new_model(config, recipe.seed).to(self.device).train()
        AttentionInterface.register("written_out", plain_attention)
        self.model.set_attn_implementation("written_out")
        self.optimizers = new_optimizers(self.model, recipe)
        self.step, self.elapsed, self.scenes = 0, 0.0, 0

    @classmethod
    def start(cls, folder: Path, recipe: Recipe, device: str) -> Trainer:
        """Return a new run; `ModelError` if the folder holds one already."""
        if _state_file(folder).exists():
            raise ModelError(f"{folder} holds a run already; add --resume or name another --out")
        return cls(folder, recipe, device, checkpoint.train_tokenizer(checkpoint.corpus()))

    @classmethod
    def resume(cls, folder: Path, recipe: Recipe, device: str) -> Trainer:
        """Return the run saved in `folder`, to go on with the tokenizer that it was started with.

        `ModelError` if there is none, or if it was started with another seed.
        """
        if not _state_file(folder).exists():
            raise ModelError(f"nothing to resume: {_state_file(folder)} does not exist")
        trainer = cls(folder, recipe, device, Qwen2Tokenizer.from_pretrained(folder))
        trainer._restore(torch.load(_state_file(folder), map_location=device, weights_only=True))
        return trainer

    @property
    def progress(self) -> float:
        """Return how much of the run is done, 0 to 1."""
        if self.recipe.steps:
            return self.step / self.recipe.steps
        return self.elapsed / (60 * self.recipe.minutes)

    def _restore(self, saved: dict[str, Any]) -> None:
        if saved["seed"] != self.recipe.seed:
            raise ModelError(f"this run was started with seed {saved['seed']}")
        self.model.load_state_dict(saved["model"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.step, self.elapsed, self.scenes = saved["step"], saved["elapsed"], saved["scenes"]

    def save(self) -> None:
        """Write the state (atomically) and the model as a hub folder."""
        state_file = _state_file(self.folder)
        state_file.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "seed": self.recipe.seed,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "elapsed": self.elapsed,
            "scenes": self.scenes,
        }
        fresh = state_file.with_suffix(".new")
        torch.save(state, fresh)
        fresh.replace(state_file)
        checkpoint.save(self.model, self.tokenizer, self.folder)
        summary = asdict(self.recipe) | {
            "step": self.step,
            "scenes": self.scenes,
            "minutes_spent": round(self.elapsed / 60, 1),
            "device": str(self.device),
            "torch": torch.__version__,
        }
        (self.folder / "training.json").write_text(json.dumps(summary, indent=2) + "\n")

    def train_step(self) -> tuple[float, float]:
        """Take one step; return its two losses."""
        batch = draw_batch(self.tokenizer, self.recipe, self.step, self.progress).to(self.device)
        rate = learning_rate(self.recipe, self.step, self.progress)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            spoken, bag = losses(self.model, batch)
        self.model.zero_grad(set_to_none=True)
        (spoken + self.recipe.bag_weight * bag).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        self.step += 1
        self.scenes += len(batch.ids)
        return spoken.item(), bag.item()

    def run(self, save_every: float = 300.0) -> None:
        """Train to the end of the recipe, saving every `save_every` seconds and when stopped."""
        last_save, smooth = time.monotonic(), None
        bar = tqdm(total=100.0, initial=100 * self.progress, bar_format=_BAR)
        try:
            while self.progress < 1:
                start = time.monotonic()
                now = np.array(self.train_step())
                smooth = now if smooth is None else 0.98 * smooth + 0.02 * now
                self.elapsed += time.monotonic() - start
                bar.n = min(100.0, 100 * self.progress)
                bar.set_postfix_str(
                    f"answer {smooth[0]:.3f} bag {smooth[1]:.3f} "
                    f"step {self.step} {self.scenes / max(self.elapsed, 1e-9):.0f} scenes/s"
                )
                if time.monotonic() - last_save > save_every:
                    self.save()
                    last_save = time.monotonic()
        finally:
            self.save()
            bar.close()


_BAR = "{percentage:5.1f}%|{bar:24}| {elapsed}<{remaining} {postfix}"
