"""Words of an answer: their tokens, their classes, and what they name."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from explainer.emoji_world.objects import THINGS
from explainer.errors import SightlineError
from explainer.evaluation.words import (
    FUNCTION,
    NOUN,
    OTHER,
    PUNCTUATION,
    Mention,
    Word,
    clean_words,
    find_mentions,
    grammar,
    singular,
    tam_label,
    tam_words,
)
from tests.evaluation.saying import local, saying

COCO = {1: "person", 18: "dog", 23: "bear", 46: "wine glass", 58: "hot dog", 88: "teddy bear"}


def words(*texts: str) -> list[Word]:
    return [Word(text, (i,)) for i, text in enumerate(texts)]


def test_clean_words_go_by_the_characters_that_tokens_spell():
    run = saying("A", " hot", "-d", "og's", " bun", ",", " wi", "th it.")
    told = [(w.text, local(run, w.tokens)) for w in clean_words(run)]
    assert told == [
        ("A", [0]),
        ("hot", [1]),
        ("-", [2]),
        ("dog's", [2, 3]),
        ("bun", [4]),
        (",", [5]),
        ("with", [6, 7]),
        ("it", [7]),
        (".", [7]),
    ]


def test_the_rest_of_a_split_character_goes_with_its_first_token():
    run = saying(" a", " 🐶", "", "", " dog")
    told = [(w.text, local(run, w.tokens)) for w in clean_words(run)]
    assert told == [("a", [0]), ("🐶", [1, 2, 3]), ("dog", [4])]


def test_an_empty_answer_has_no_words():
    run = saying()
    assert clean_words(run) == []
    assert tam_words(run, []) == []


def test_tam_glues_pieces_and_goes_on_after_punctuation():
    run = saying("A", " din", "ing", " table", ".", "It", " is", "猫", "子", "s")
    pieces = ["A", " din", "ing", "▁table", ".", "It", " is", "猫", "子", "s"]
    told = [(w.text, local(run, w.tokens)) for w in tam_words(run, pieces)]
    assert told == [
        ("A", [0]),
        ("dining", [1, 2]),
        ("table", [3]),
        (".It", [4, 5]),
        ("is", [6]),
        ("猫", [7]),
        ("子s", [8, 9]),
    ]


def test_tam_drops_what_tokenises_differently():
    assert tam_words(saying(" a", " dog"), [" a", " d", "og"]) is None


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("The", FUNCTION),
        ("its", FUNCTION),
        ("There", FUNCTION),
        ("no", FUNCTION),
        ("dogs", NOUN),
        ("in", OTHER),  # prepositions, numbers and verbs are no function words to TAM
        ("two", OTHER),
        ("is", OTHER),
        (".", PUNCTUATION),
        ("…", PUNCTUATION),
        ("_", PUNCTUATION),
    ],
)
def test_classes_by_list(word, kind):
    assert grammar("list", ["dog"]).kind(word) == kind


@pytest.mark.parametrize("pos", ["list", "textblob"])
def test_nouns_and_function_words_agree_whoever_tags(pos):
    if pos == "textblob":
        pytest.importorskip("textblob")
        pytest.importorskip("simplemma")
    known = grammar(pos, ["dog", "person", "bus", "knife", "sheep"])
    function = "a the and or there it his their what who where can this no yes"
    assert {known.kind(w) for w in function.split()} == {FUNCTION}
    plurals = {
        "dogs": "dog",
        "people": "person",
        "buses": "bus",
        "knives": "knife",
        "sheep": "sheep",
    }
    assert {known.kind(word) for word in plurals} == {NOUN}
    assert {word: known.lemma(word) for word in plurals} == plurals
    assert {known.kind(w) for w in ("in", "on", "is", "two")} == {OTHER}


def test_nltk_tags_single_words_and_says_which_data_it_lacks(monkeypatch):
    """A stand-in has the interface of nltk; its data is nowhere to be had without a download."""
    tags = {"dog": "NN", "dogs": "NNS", "the": "DT", "in": "IN"}

    class Lemmatizer:
        def lemmatize(self, word):
            return word.removesuffix("s")

    nltk, stem = ModuleType("nltk"), ModuleType("nltk.stem")
    nltk.pos_tag = lambda words: [(word, tags[word.lower()]) for word in words]
    stem.WordNetLemmatizer = Lemmatizer
    monkeypatch.setitem(sys.modules, "nltk", nltk)
    monkeypatch.setitem(sys.modules, "nltk.stem", stem)
    known = grammar("nltk")
    assert [known.kind(w) for w in ("The", "dogs", "in", ".")] == [
        FUNCTION,
        NOUN,
        OTHER,
        PUNCTUATION,
    ]
    assert known.lemma("Dogs") == "dog"

    def lacking(words):
        raise LookupError

    nltk.pos_tag = lacking
    with pytest.raises(SightlineError, match="averaged_perceptron_tagger_eng wordnet"):
        grammar("nltk")


def test_every_thing_of_the_emoji_world_has_its_singular():
    for thing in THINGS:
        told = find_mentions(words(*thing.plural.split()), {1: thing.name}, singular)
        assert [m.label for m in told] == [1], thing.plural


def test_an_unknown_or_missing_tagger_is_named(monkeypatch):
    with pytest.raises(SightlineError, match="list, textblob, nltk"):
        grammar("spacy")
    monkeypatch.setitem(sys.modules, "nltk", None)
    with pytest.raises(SightlineError, match="needs nltk"):
        grammar("nltk")


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("People", "person"),
        ("buses", "bus"),
        ("bus", "bus"),
        ("knives", "knife"),
        ("wolves", "wolf"),
        ("benches", "bench"),
        ("glasses", "glass"),
        ("boxes", "box"),
        ("tomatoes", "tomato"),
        ("puppies", "puppy"),
        ("cookies", "cookie"),
        ("giraffes", "giraffe"),
        ("scissors", "scissors"),
        ("grass", "grass"),
        ("is", "is"),
        ("sheep", "sheep"),
    ],
)
def test_singulars_by_rule(plural, one):
    assert singular(plural) == one


def test_the_longest_name_wins_and_must_be_whole():
    said = words("Two", "hot", "-", "dogs", "a", "dog", ",", "hot", "bears", "teddy", "People")
    assert find_mentions(said, COCO, singular) == [
        Mention(1, 4, 58),
        Mention(5, 6, 18),
        Mention(8, 9, 23),
        Mention(10, 11, 1),
    ]


def test_other_punctuation_parts_a_name():
    said = words("a", "hot", ",", "dog")
    assert find_mentions(said, COCO, singular) == [Mention(3, 4, 18)]
    assert find_mentions([], COCO, singular) == []
    assert find_mentions(words("dog"), {}, singular) == []


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("dog", 58),  # the last category with this word in its name
        ("Dogs", 58),
        ("bear", 88),
        ("glasses", 46),
        ("man", -1),
        ("hot-dog", -1),  # hyphens are removed, not parted at
        ("person", 1),
    ],
)
def test_tam_takes_the_last_category_that_holds_the_word(word, label):
    assert tam_label(word, COCO, singular) == label
