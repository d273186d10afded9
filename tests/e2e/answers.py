"""Pages with an answer that tests look at one after another, each as if it had just been given.

Loading a page and asking for an answer takes a browser a second and a half of the processor, which
is most of many tests. A page that a test has left is put back to how it was. Whether it is so is
compared; a page that is not is loaded anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.e2e.pages import App, Pages
from tests.e2e.tabs import Tab, Tabs
from tests.e2e.visitor import Visitor
from tests.ui.fake import FakeExplainer

# Keeps how the page is now.
KEEP = """() => {
  const {now} = document.sightline, open = new Set(document.querySelectorAll('details[open]'));
  window.start = {now: {...now}, open};
}"""
# Puts the page back to how it was kept.
BACK = """() => {
  const {now, open} = window.start;
  document.activeElement.blur();
  getSelection().removeAllRanges();
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  for (const details of document.querySelectorAll('details')) details.open = open.has(details);
  for (const button of document.querySelectorAll('button.label-wrap.open')) button.click();
  document.body.classList.remove('dark');
  document.sightline.set({playing: false});
  document.sightline.set({...now});
  scrollTo(0, 0);
  for (const part of document.querySelectorAll('*'))
    if (part.scrollTop || part.scrollLeft)
      part.scrollTo({left: 0, top: 0, behavior: 'instant'});
}"""
# All that can be seen of the page, its state, and what is remembered, as one text. Where something
# was drawn that is hidden now does not matter.
SEEN = r"""() => {
  localStorage.clear();
  const places = new Set(['style', 'viewBox', 'd']), idle = new Set(['style', 'class']);
  const attributes = (part, seen) => [...part.attributes]
    .filter(({name, value}) => seen ? value || !idle.has(name) : !places.has(name))
    .map(({name, value}) => ` ${name}="${value}"`);
  const written = part => {
    if (!(part instanceof Element)) return part.data;
    const seen = part.checkVisibility({visibilityProperty: true});
    const {scrollTop, scrollLeft, value, checked} = part;
    const told = [part.tagName, ...attributes(part, seen), [scrollTop, scrollLeft, value, checked]];
    return `<${told.join('')}>${[...part.childNodes].map(written).join('')}\n`;
  };
  const paint = [...document.querySelectorAll('.sl-map canvas')].map(canvas => canvas.toDataURL());
  const state = {...document.sightline.now, settings: '', entry: null};
  return [location.href, JSON.stringify(state), ...paint, written(document.body)].join('\n');
}"""

Prepare = Callable[[Visitor], None]


def as_it_is(visitor: Visitor) -> None:
    """Do nothing with an answer."""


class Answer:
    """A page with the answer to the first example.

    Attributes:
        app: what serves it.
        visitor: who looks at it.
    """

    def __init__(self, app: App, tab: Tab, size: tuple[int, int], prepare: Prepare) -> None:
        self.app, self.tab, self._size = app, tab, size
        self.visitor = Visitor(tab)
        self.visitor.open(app.url)
        self.visitor.explain()
        self.visitor.wait_for_all_maps()
        self.visitor.page.wait_for_selector(".sl-rests")
        prepare(self.visitor)
        self.visitor.page.mouse.move(0, 0)
        self.visitor.still()
        self.visitor.page.evaluate(KEEP)
        self._seen = self.visitor.page.evaluate(SEEN)

    def put_back(self) -> bool:
        """Put the page back to how it was; return False if that did not succeed."""
        page = self.visitor.page
        width, height = self._size
        page.unroute_all(behavior="ignoreErrors")
        page.mouse.move(0, 0)
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate(BACK)
        self.visitor.still()
        return page.evaluate(SEEN) == self._seen

    def show_to_another(self) -> None:
        """Let another visitor look at the page, who has done and seen nothing."""
        self.visitor = Visitor(self.tab)


class Answers:
    """The answers of a session; one that is not lent is kept."""

    def __init__(self, pages: Pages, tabs: Tabs) -> None:
        self._pages, self._tabs = pages, tabs
        self._kept: tuple[Any, Answer] | None = None
        self._lent: dict[Answer, Any] = {}

    def lend(
        self, prepare: Prepare = as_it_is, width: int = 1440, height: int = 900, **kind: Any
    ) -> Answer:
        """Return an answer on a page of this size, with which `prepare` has been done.

        `kind` are further options of the tab's context.
        """
        wanted = (prepare, width, height, kind)
        if self._kept is not None and self._kept[0] == wanted:
            _, answer = self._kept
            answer.show_to_another()
            self._kept = None
        else:
            self.close()
            app = self._pages.lend(FakeExplainer())
            tab = self._tabs.lend(width, height, **kind)
            try:
                answer = Answer(app, tab, (width, height), prepare)
            except BaseException:
                self._tabs.take_back(tab, failed=True)
                self._pages.take_back(app, failed=True)
                raise
        self._lent[answer] = wanted
        return answer

    def take_back(self, answer: Answer, failed: bool) -> None:
        """Keep an answer for other tests, unless the test failed or has left traces."""
        wanted = self._lent.pop(answer)
        try:
            answer.visitor.blame()
            keep = not failed and answer.put_back()
        except BaseException:
            self._leave(answer, True)
            raise
        if keep and self._kept is None:
            answer.tab.end_test()
            self._kept = (wanted, answer)
        else:
            self._leave(answer, failed)

    def _leave(self, answer: Answer, failed: bool) -> None:
        self._tabs.take_back(answer.tab, failed)
        self._pages.take_back(answer.app, failed)

    def close(self) -> None:
        """Keep no answer any more."""
        if self._kept is not None:
            self._leave(self._kept[1], False)
            self._kept = None
