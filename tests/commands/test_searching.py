"""`bench --eagle` prints every figure, for a search over few parts."""

from explainer.commands import searching
from explainer.recording.load import BUNDLED, load


def test_the_searches_are_timed_and_their_operations_counted(monkeypatch):
    monkeypatch.setattr(searching, "REGIONS", 4)
    monkeypatch.setattr(searching, "SIZE", (140, 140))
    figures = [*searching.measure_search(load(BUNDLED), 0)]
    by_name = {figure.name: figure.value for figure in figures}
    assert len(by_name) == len(figures) == 6
    assert 0.01 < by_name["operations of the preview / by pixels, one word"] < 1
    assert -1 <= by_name["rank correlation of preview and pixels, one word"] <= 1
