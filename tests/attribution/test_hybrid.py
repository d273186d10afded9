"""Models of which only some layers attend: what is defined for them, and what is not."""

from __future__ import annotations

import pytest
import torch

from explainer.attribution import COMPUTED
from explainer.errors import MethodError
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from explainer.run import ANSWER, Run
from tests import tiny
from tests.attribution.conftest import QUICK, THROUGH_ATTENTION
from tests.attribution.test_hygiene import traces
from tests.shared_models import FAMILIES, HYBRID


@pytest.fixture(scope="module", params=HYBRID)
def folder(request, family_folders):
    return family_folders[request.param]


@pytest.fixture(scope="module")
def hybrid(folder) -> Explainer:
    return load(folder, device="cpu", dtype="float32", **FAMILIES[folder.name][1])


@pytest.fixture(scope="module")
def run(hybrid) -> Run:
    return hybrid.record(tiny.image(64, 96), "what is in it?", scales=(1.0,), max_new_tokens=4)


def reference(explainer: Explainer, run: Run) -> tuple[dict[str, torch.Tensor], list[int]]:
    """Return what the base model takes for the whole sequence, and the visual positions."""
    inputs = explainer.family.compose(run.images, run.prompt)
    tensors = explainer.family.forward_inputs(inputs)
    answer = run.tokens.ids[run.indices(ANSWER)].tolist()
    tensors["input_ids"] = torch.tensor([[*inputs.ids, *answer]])
    if "position_ids" in tensors:
        last = tensors["position_ids"][..., -1:] + torch.arange(1, len(answer) + 1)
        tensors["position_ids"] = torch.cat([tensors["position_ids"], last], -1)
    return tensors, list(inputs.visual)


@pytest.mark.parametrize("over_layers", ["last", "mean"])
def test_attention_is_that_of_the_layers_that_attend(folder, hybrid, run, over_layers):
    """Against the weights that transformers gives out with its plain attention."""
    plain = load(folder, device="cpu", dtype="float32", **FAMILIES[folder.name][1])
    plain.family.model.set_attn_implementation("eager")
    tensors, visual = reference(plain, run)
    with torch.inference_mode():
        layers = plain.family.base(**tensors, output_attentions=True).attentions
    layers = [layer for layer in layers if layer is not None]
    assert 0 < len(layers) == len(plain.family.attending_layers) < plain.family.depth
    mean = torch.stack([layer[0].mean(0) for layer in layers])
    token = int(run.indices(ANSWER)[-1])
    rows = (mean[-1] if over_layers == "last" else mean.mean(0))[:, visual]
    want = rows[int(run.tokens.positions[token]) - 1]
    done = hybrid.attribute(run, token, "attention", over_layers=over_layers)
    (got,) = done.attributions.values()
    torch.testing.assert_close(torch.from_numpy(got), want / want.sum(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("depth", [0.0, 1.0])
def test_gradients_pass_through_all_kinds_of_layers(hybrid, run, depth):
    """Against autograd on the plain model, cut at the layer's output."""
    token = int(run.indices(ANSWER)[-1])
    done = hybrid.attribute(run, token, "grad_cam", depth=depth)
    (got,) = done.attributions.values()
    family, cut = hybrid.family, []

    def after(_module, _args, output):
        cut.append(output.detach().requires_grad_())
        return cut[0]

    tensors, visual = reference(hybrid, run)
    layers = family.decoder.layers
    last = max(family.attending_layers)
    hook = layers[round(depth * (last - 1))].register_forward_hook(after)
    states = family.base(**tensors, use_cache=False).last_hidden_state[0]
    hook.remove()
    row = family.unembedding.weight[int(run.tokens.ids[token])]
    score = states[int(run.tokens.positions[token]) - 1] @ row
    (gradient,) = torch.autograd.grad(score, cut[0])
    assert float(gradient[0, visual].abs().max()) > 0
    want = cut[0][0, visual].detach() @ gradient[0, visual].mean(0)
    torch.testing.assert_close(torch.from_numpy(got), want, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("name", THROUGH_ATTENTION)
def test_what_follows_a_word_through_attention_says_why_there_is_none(hybrid, run, name):
    depth = hybrid.family.depth
    others = f"{depth - len(hybrid.family.attending_layers)} of the {depth} layers"
    with pytest.raises(MethodError, match=rf"{others}.* without attention"):
        hybrid.attribute(run, int(run.indices(ANSWER)[-1]), name)


@pytest.mark.parametrize("name", sorted(set(COMPUTED) - {*THROUGH_ATTENTION, "archi_surgery"}))
def test_nothing_is_left_in_the_model(hybrid, run, name):
    before, quick = traces(hybrid), QUICK.get(name, {})
    assert hybrid.attribute(run, int(run.indices(ANSWER)[-1]), name, **quick).attributions
    assert traces(hybrid) == before
