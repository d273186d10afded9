"""The words of an answer: their tokens, their word classes, and what they name.

There are two ways to divide an answer into words, see `iou` for their use:

    clean   words are spans of the answer's text, and tokens belong to them by their offsets
    tam     words are joined from the pieces of the re-tokenised text, as in the evaluation of TAM
            (arXiv 2506.23270)

Word classes need no download: function words are a closed class, so a list suffices, and only the
nouns of the data set are known. `grammar` offers taggers that know more.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

from explainer.errors import SightlineError
from explainer.run import ANSWER, Run

FUNCTION, NOUN, OTHER, PUNCTUATION = "function", "noun", "other", "punctuation"
POS = ("list", "textblob", "nltk")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Tags of the Penn Treebank that count as function words, and those of nouns.
_FUNCTION_TAGS = _set("CC DT EX MD POS PRP PRP$ UH WDT WP WP$ WRB")
_NOUN_TAGS = _set("NN NNS NNP NNPS")

# The words that those tags stand for when a word is tagged by itself, without its sentence.
_FUNCTION_WORDS = _set(
    """
    a an the this that these those some any every each no all both either neither another
    and or but nor plus
    there
    can could may might must shall should will would cannot ought
    i you he she it we they me him her us them hers ours theirs yours
    myself yourself himself herself itself ourselves yourselves themselves oneself
    my your his its our their
    which whichever what whatever who whoever whom whose when whenever where wherever why how
    yes oh ah hello hi hey ok wow alas uh
    's 'll 'd
    """
)

_PIECES = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]|_")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")

Categories = Mapping[int, str]  # label, above 0, to the name of a kind of thing


@dataclass(frozen=True)
class Word:
    """A word, and the indices into `Run.tokens` of the answer tokens that spell it, in order."""

    text: str
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Mention:
    """Words [start, stop) of an answer that name the category with this label."""

    start: int
    stop: int
    label: int


@dataclass(frozen=True)
class Grammar:
    """Word classes and singulars of single words.

    Attributes:
        classify: gives `FUNCTION`, `NOUN` or `OTHER` for a word that is no punctuation.
        lemma: gives the singular of a noun in lower case.
    """

    classify: Callable[[str], str]
    lemma: Callable[[str], str]

    def kind(self, word: str) -> str:
        """Return the class of a word; whatever holds no letter or digit is `PUNCTUATION`."""
        return self.classify(word) if any(map(str.isalnum, word)) else PUNCTUATION


# Words and their tokens --------------------------------------------------------------------------


def clean_words(run: Run) -> list[Word]:
    """Return the words and punctuation marks of the answer, with all tokens that overlap them.

    A token that spells the rest of a split character has no text of its own and belongs to the one
    before it. Hyphens separate words; apostrophes do not.
    """
    spans = _spans(run)
    return [
        Word(found.group(), tuple(i for i, a, b in spans if a < found.end() and b > found.start()))
        for found in _PIECES.finditer(run.answer)
    ]


def _spans(run: Run) -> list[tuple[int, int, int]]:
    """Return (token, start, stop) of each answer token, in characters of the answer."""
    spans: list[tuple[int, int, int]] = []
    at = 0
    for token in map(int, run.indices(ANSWER)):
        length = len(run.tokens.texts[token])
        start, stop = (at, at + length) if length or not spans else spans[-1][1:]
        spans.append((token, start, stop))
        at += length
    return spans


def tam_words(run: Run, pieces: Sequence[str]) -> list[Word] | None:
    """Return the words as TAM joins them, or None where it drops the sample.

    `pieces` are the tokens of the re-tokenised answer; if their number differs from that of the
    generated tokens, maps and pieces cannot be matched. A piece starts a word if it starts with a
    space, is ASCII punctuation or holds a CJK character; others continue the word before, even
    punctuation.
    """
    tokens = [int(i) for i in run.indices(ANSWER)]
    if len(pieces) != len(tokens):
        return None
    words: list[tuple[str, list[int]]] = []
    for piece, token in zip(pieces, tokens, strict=True):
        if not words or _starts_word(piece):
            words.append((piece, [token]))
        else:
            words[-1] = (words[-1][0] + piece, [*words[-1][1], token])
    return [Word(text.strip(" ▁"), tuple(spelt)) for text, spelt in words]


def _starts_word(piece: str) -> bool:
    if piece.startswith((" ", "▁")):
        return True
    return (bool(piece) and all(c in string.punctuation for c in piece)) or bool(_CJK.search(piece))


# What words name ---------------------------------------------------------------------------------


def name_of(category: str, lemma: Callable[[str], str]) -> tuple[str, ...]:
    """Return the words of a category's name in the singular."""
    return tuple(map(lemma, re.split(r"[\s_-]+", category.strip())))


def find_mentions(
    words: Sequence[Word], categories: Categories, lemma: Callable[[str], str]
) -> list[Mention]:
    """Return what the words name, from left to right; the longest name wins ("hot dog", not "dog").

    The words of a name must be adjacent, in the singular or plural; a hyphen may stand between
    them.
    """
    at = [i for i, word in enumerate(words) if word.text not in "-‐‑"]
    said = [lemma(words[i].text) if words[i].text[:1].isalnum() else "" for i in at]
    names = {name_of(name, lemma): i for i, name in categories.items()}
    longest_first = sorted(names, key=len, reverse=True)
    found: list[Mention] = []
    i = 0
    while i < len(at):
        name = next((n for n in longest_first if tuple(said[i : i + len(n)]) == n), None)
        if name:
            found.append(Mention(at[i], at[i + len(name) - 1] + 1, names[name]))
        i += len(name) if name else 1
    return found


def tam_label(word: str, categories: Categories, lemma: Callable[[str], str]) -> int:
    """Return the label that TAM assigns to a noun, or -1.

    The lemma may equal any single word of a name, and the last such category counts: a "dog" is a
    "hot dog".
    """
    said, label = lemma(word.replace("-", "")), -1
    for i, name in categories.items():
        if said in name.lower().split():
            label = i
    return label


# Grammars ----------------------------------------------------------------------------------------


def grammar(pos: str, nouns: Collection[str] = ()) -> Grammar:
    """Return a grammar, one of `POS`.

    Args:
        pos: "list" needs nothing and knows `nouns` alone as nouns; "textblob" uses the lexicons of
            textblob and simplemma; "nltk" the tagger and WordNet, as TAM does, whose data must be
            on this machine.
        nouns: in the singular; for "list".
    """
    if pos == "list":
        return _list_grammar(nouns)
    if pos == "textblob":
        tagger, simplemma = _need("textblob.en"), _need("simplemma")
        return Grammar(
            lambda word: _class_of(_first_tag(tagger.tag(word))),
            lambda word: (
                _IRREGULAR.get(word.lower()) or simplemma.lemmatize(word.lower(), lang="en").lower()
            ),
        )
    if pos == "nltk":
        return _nltk_grammar()
    raise SightlineError(f"--pos must be one of {', '.join(POS)}, got {pos!r}")


def _list_grammar(nouns: Collection[str]) -> Grammar:
    known = frozenset(nouns)

    def classify(word: str) -> str:
        if word.lower().replace("’", "'") in _FUNCTION_WORDS:
            return FUNCTION
        return NOUN if singular(word) in known else OTHER

    return Grammar(classify, singular)


def _nltk_grammar() -> Grammar:
    nltk, stem = _need("nltk"), _need("nltk.stem")
    lemmatizer = stem.WordNetLemmatizer()
    try:
        nltk.pos_tag(["dog"])
        lemmatizer.lemmatize("dogs")
    except LookupError:
        raise SightlineError(
            "nltk's data is not on this machine; run python -m nltk.downloader "
            "averaged_perceptron_tagger_eng wordnet, or use --pos textblob"
        ) from None
    return Grammar(
        lambda word: _class_of(nltk.pos_tag([word])[0][1]),
        lambda word: lemmatizer.lemmatize(word.lower()),
    )


def _first_tag(tagged: Sequence[tuple[str, str]]) -> str:
    return tagged[0][1] if tagged else ""


def _class_of(tag: str) -> str:
    return FUNCTION if tag in _FUNCTION_TAGS else NOUN if tag in _NOUN_TAGS else OTHER


def _need(name: str) -> ModuleType:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.split(".")[0]
        raise SightlineError(
            f"this needs {package}; pip install -r explainer/evaluation/requirements.txt"
        ) from None


# Singulars ---------------------------------------------------------------------------------------

_IRREGULAR = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "mice": "mouse",
    "geese": "goose",
    "feet": "foot",
    "teeth": "tooth",
    "oxen": "ox",
    "buses": "bus",
    "skis": "ski",
    "shoes": "shoe",
    "canoes": "canoe",
    "toes": "toe",
    "axes": "axe",
    "ties": "tie",
    "pies": "pie",
} | {
    stem + "ves": stem + end
    for end, stems in (("fe", "kni wi li"), ("f", "wol lea shel loa cal hal thie scar"))
    for stem in stems.split()
}
_UNCHANGED = _set("scissors jeans pants trousers shorts series species lens gas this")
_IE = _set("cookie movie brownie zombie selfie hoodie smoothie calorie")


def singular(word: str) -> str:
    """Return a noun in lower case and, by rule, in the singular; other words may lose an s."""
    word = word.lower()
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not word.endswith("s") or word in _UNCHANGED:
        return word
    if word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-1] if word[:-1] in _IE else word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zzes", "oes")):
        return word[:-2]
    return word[:-1]
