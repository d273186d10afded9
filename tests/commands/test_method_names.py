"""`--methods` is read alike by both commands that have it."""

from __future__ import annotations

import pytest

from explainer.__main__ import main
from explainer.commands.method_names import split_methods
from explainer.methods import METHODS


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("tam", ["tam"]),
        (" tam , msea_arc,tam,", ["tam", "msea_arc"]),
        ("all", [*METHODS]),
        ("cam,all,tam", ["cam", *METHODS]),
        ("tam:published,msea_arc+k=20", ["tam:published", "msea_arc+k=20"]),
        ("", []),
    ],
)
def test_a_list_of_methods_is_split_at_commas(text, names):
    assert split_methods(text) == names


@pytest.mark.parametrize("command", ["explain", "evaluate"])
def test_both_commands_have_the_same_flag_and_no_other(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "--methods LIST" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([command, "--method", "tam"])
    assert "unrecognized arguments: --method" in capsys.readouterr().err
