"""Links, remembered settings, the reset, the help and the presentation, in a real browser."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlparse

from explainer.ui.sections.help import words as help_words
from explainer.ui.sections.links import words as link_words
from tests.e2e.test_chips import centre
from tests.ui.fake import FakeExplainer

K = "[data-name=k] .sl-number"
SAID = ".sl-settings-said"


def query(visitor) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(urlparse(visitor.page.url).query).items()}


def set_k(visitor, value: int) -> None:
    visitor.page.fill(K, str(value))
    visitor.page.keyboard.press("Enter")


def test_the_address_follows_and_a_link_brings_everything_back(app, visit):
    visitor = visit(app.url)
    visitor.explain(1)
    set_k(visitor, 9)
    visitor.page.uncheck("[data-name=alpha1] .sl-switch")
    visitor.page.wait_for_function(
        "() => /k=9/.test(location.search) && /scales/.test(location.search)"
    )
    said = query(visitor)
    assert said == {"__theme": "light", "example": "2", "k": "9", "scales": "0.75,1"}
    other = visit(visitor.page.url)
    other.wait_for_maps()
    assert other.chips("prompt") == ["Is", "it", "light?"]
    assert other.page.input_value(K) == "9"
    assert not other.page.is_checked("[data-name=alpha1] .sl-switch")
    assert other.page.inner_text(SAID) == ""
    other.page.wait_for_function("() => location.search.includes('example=2')")
    assert query(other) == said


def test_a_link_brings_the_chosen_word_and_the_weights_of_scales(app, visit):
    visitor = visit(app.url)
    visitor.explain()
    visitor.page.click(".sl-answer .sl-chip >> nth=4")
    visitor.wait_for_maps()
    visitor.page.evaluate(
        "() => { const s = document.sightline, panel = s.now.panel; "
        "s.set({panel: {...panel, weights: panel.alphas.map((_, i) => i ? 1 : 1.5)}}); }"
    )
    visitor.page.wait_for_function(
        "() => /weights=/.test(location.search) && /word=/.test(location.search)"
    )
    chip = query(visitor)["word"]
    other = visit(visitor.page.url)
    other.wait_for_maps()
    other.settled(chip, "document.sightline.now.subject.chip")
    other.wait_for_maps()
    other.settled("1.5", "document.sightline.now.panel.weights[0]")
    other.page.wait_for_function("want => location.search.includes(`word=${want}`)", arg=chip)
    assert query(other) == query(visitor)
    assert other.page.inner_text(SAID) == ""
    wrong = visit(visitor.page.url.replace(f"word={chip}", "word=999"))
    wrong.page.wait_for_selector(f"{SAID}:not(:empty)")
    assert "The link's word was left out: word must lie in" in wrong.page.inner_text(SAID)


def test_a_link_brings_a_contrast_with_a_typed_word_and_several_words_as_one(app, visit):
    visitor, chip = visit(app.url), ".sl-answer .sl-chip >> nth={}".format
    visitor.explain()
    visitor.page.click(chip(1))
    visitor.page.fill(".sl-type", "dog")
    visitor.page.click(".sl-typed .sl-not")
    visitor.page.wait_for_function("() => /against=/.test(location.search)")
    contrast = query(visitor)
    assert contrast["against"].endswith("= dog")
    assert set(contrast) == {"__theme", "example", "word", "against"}
    visitor.page.click(chip(3))
    visitor.page.click(chip(1), modifiers=["Shift"])
    visitor.page.wait_for_function("() => /word=t/.test(location.search)")
    several = visitor.page.url

    app.restart(FakeExplainer())  # which knows neither the run nor the word
    other = visit(f"{app.url}?{urlencode(contrast)}")
    title = "document.querySelector('.sl-word').textContent"
    other.settled("cat, not dog", title)
    other.page.wait_for_selector(".sl-view:not(.sl-late, .sl-busy)")
    assert app.explainer.brought == [" dog"]
    assert other.page.inner_text(SAID) == ""
    assert other.pixel("logit_lens", *centre(1)) != other.pixel("logit_lens", *centre(4))
    other.page.wait_for_function("() => /against=/.test(location.search)")
    assert query(other) == contrast
    another = visit(several)
    another.settled("cat and a", title)
    another.page.wait_for_function("() => /word=t/.test(location.search)")
    assert query(another) == query(visitor)


def test_what_a_link_says_wrongly_is_told_and_nothing_breaks(app, visit):
    hostile = "<img src=x onerror=alert(1)>"
    visitor = visit(f"{app.url}?k=99999&scales={hostile}&tam.mode=x&prompt={hostile}&__proto__=1")
    visitor.page.wait_for_selector(f"{SAID}:not(:empty)")
    told = visitor.page.inner_text(SAID)
    assert "The link's k was left out: k must lie in" in told
    assert f"'{hostile}' is no number" in told
    assert visitor.page.locator(f"{SAID} img").count() == 0
    assert visitor.page.input_value(K) == "50"
    visitor.settled(hostile, "document.querySelector('#sl-prompt textarea').value")


def test_settings_are_remembered_until_they_are_reset(app, visit):
    visitor = visit(app.url)
    page = visitor.page
    visitor.explain()
    set_k(visitor, 77)
    page.fill("[data-name=opacity] .sl-number", "0.9")
    page.keyboard.press("Enter")
    stored = "v => localStorage.getItem('sightline')?.includes(v)"
    page.wait_for_function(f"() => ['77', '0.9'].every({stored})")
    page.goto(app.url)
    visitor.settled("77", f"document.querySelector('{K}').value")
    heat = "document.documentElement.style.getPropertyValue('--sl-heat')"
    visitor.settled("0.9", heat)
    page.click(f"text={link_words.BAR['reset']}")
    visitor.settled("50", f"document.querySelector('{K}').value")
    visitor.settled("0.75", heat)
    page.wait_for_function("() => localStorage.getItem('sightline') === null")
    assert page.inner_text(SAID) == link_words.BAR["wasReset"]


def test_a_memory_that_does_not_fit_is_forgotten(app, visit):
    visitor = visit(app.url)
    for junk in ('{"panel": {"alphas": 3}}', "not json"):
        visitor.page.evaluate("junk => localStorage.setItem('sightline', junk)", junk)
        visitor.page.goto(app.url)
        visitor.page.wait_for_selector(K)
        visitor.settled("50", f"document.querySelector('{K}').value")
    visitor.explain()


def test_the_link_is_copied(app, visit):
    visitor = visit(app.url)
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.explain()
    visitor.page.wait_for_function("() => location.search.includes('example=1')")
    visitor.page.click(f"text={link_words.BAR['link']}")
    visitor.settled(link_words.BAR["copied"], f"document.querySelector('{SAID}').textContent")
    copied = visitor.page.evaluate("navigator.clipboard.readText()")
    assert copied == visitor.page.url


def test_help_lists_the_keys_holds_the_focus_and_gives_it_back(app, visit):
    visitor = visit(app.url)
    visitor.explain()
    page = visitor.page
    page.focus(".sl-chip[aria-selected=true]")
    chip = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("?")
    page.wait_for_selector(".sl-dialog[open]")
    visitor.shot("help")
    told = page.inner_text(".sl-keys")
    assert all(meaning in told for _, meaning in help_words.KEYS)
    for _ in range(5):
        page.keyboard.press("Tab")
        inside = "e => e === document.body || e.closest('.sl-dialog') !== null"
        assert page.evaluate(f"({inside})(document.activeElement)")
    page.keyboard.press("Escape")
    page.wait_for_selector(".sl-dialog:not([open])", state="attached")
    assert page.evaluate("document.activeElement.textContent") == chip
    page.fill("#sl-prompt textarea", "")
    page.type("#sl-prompt textarea", "why? p")
    assert page.locator(".sl-dialog[open]").count() == 0, "typed into a field, keys are text"
    page.click(".sl-help .sl-small")
    page.wait_for_selector(".sl-dialog[open]")


def test_a_presentation_shows_large_words_and_maps_only(app, visit):
    visitor = visit(f"{app.url}?example=1&present=1")
    visitor.wait_for_maps()
    page = visitor.page
    size = "parseFloat(getComputedStyle(document.querySelector('.sl-chip')).fontSize)"
    for theme in ("dark", "light"):
        visitor.dress(theme, 1440, 900)
        for hidden in ("#sl-ask", "#sl-try", ".sl-panel", "#sl-top", ".sl-prompt"):
            assert not page.locator(hidden).first.is_visible(), (theme, hidden)
        assert page.locator(".sl-answer .sl-chip").first.is_visible(), theme
        assert page.evaluate(size) >= 30, theme
        visitor.shot(f"present-{theme}")
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), theme
    presented = page.locator(".sl-frame").first.bounding_box()["height"]
    page.focus(".sl-chip[aria-selected=true]")
    page.keyboard.press("p")
    page.wait_for_selector("#sl-ask", state="visible")
    assert presented > 1.25 * page.locator(".sl-frame").first.bounding_box()["height"]
    assert "present" not in query(visitor)
