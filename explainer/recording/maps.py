"""Maps of comparison methods, computed with the model and added to a run."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from explainer.attribution import AttributionProgress, Computed, compute
from explainer.methods import Method
from explainer.methods.comparison import Comparison
from explainer.models.engine import Engine, describe_memory_errors
from explainer.recording.step import Step
from explainer.run import AttributionKey, Run


def stream_maps(
    engine: Engine, run: Run, tokens: Sequence[int], method: Method, settings: Mapping[str, Any]
) -> Generator[Step | Run, None, None]:
    """Compute the maps that a run lacks: yield a step for each, then the run with the maps.

    The run is yielded unchanged where none is lacking, or where the method needs no model.

    Args:
        tokens: indices of text tokens, checked.
        settings: the method's knobs, all of them, checked.
    """
    if not tokens or not isinstance(method, Comparison):
        yield run
        return
    missing = method.lacks(run, tokens, settings)
    if not missing:
        yield run
        return
    options = {name: settings[name] for name in method.options}
    maps: dict[AttributionKey, Computed] = {}
    texts = run.tokens.texts
    with describe_memory_errors("use a smaller picture or load the model in bfloat16"):
        for item in compute(engine, run, missing, method.name, options):
            if isinstance(item, AttributionProgress):
                yield Step("reading", texts[item.token], item.done, item.total)
                continue
            token = missing[len(maps)]
            maps[method.key(token, settings)] = item
            yield Step("map", texts[token], len(maps), len(missing))
    yield run.with_attributions(
        {key: item.values for key, item in maps.items()},
        {key: item.notes for key, item in maps.items() if item.notes},
    )
