"""How much memory further decoder layers would take, said before anything is recorded."""

from __future__ import annotations

from typing import Any, NamedTuple

from explainer.serving.jobs import LayerBytesJob
from explainer.serving.model_pool import Models
from explainer.ui.handlers import chosen
from explainer.ui.media_inputs import inputs
from explainer.web import controls, texts
from explainer.web.controls import DecodingControls
from explainer.web.messages import Value, failed, said


class Fields(NamedTuple):
    """Values of the page's fields that the memory depends on."""

    layers: Any
    source: Any
    more: Any
    prompt: Any
    max_new_tokens: Any
    panel: Any
    option: Any
    model: Any


class LayerMemory:
    """Estimates for the models of a server; none of them is run or loaded for it."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def said(self, fields: Fields) -> Value:
        """Return the sentence beside the option, "" as long as only the last layer is kept."""
        try:
            decoding = controls.read_decoding(fields.max_new_tokens, None, None, fields.layers)
            kept = decoding.layers != controls.LAYERS.default
            return said(self._size(fields, decoding) if kept else "", "note")
        except Exception as error:
            return failed(error)

    def _size(self, fields: Fields, decoding: DecodingControls) -> str:
        if fields.source is None and not fields.more:
            return texts.LAYERS_NO_PICTURE
        entry = self._models.entry(chosen(fields.model))
        if self._models.loaded(entry.id) is None:
            return texts.LAYERS_NO_MODEL.format(model=entry.id)
        media, prompt, _ = inputs(fields.source, fields.more, fields.prompt)
        scales = controls.read_settings(fields.panel, fields.option).needed
        options = {
            "scales": scales,
            "max_new_tokens": decoding.max_new_tokens,
            "layers": decoding.layers,
        }
        (size,) = self._models.run_job(LayerBytesJob(media, prompt, options, model=entry.id))
        if not size:
            return texts.LAYERS_NONE.format(model=entry.id)
        return texts.LAYERS_SIZE.format(
            size=f"{max(size / 1e6, 0.1):,.1f} MB",
            scales=texts.listed({1.0, *scales}),
            model=entry.id,
            longest=decoding.max_new_tokens,
        )
