// The tour: a ring around one part of the page after the other, and a small window beside it. The
// page stays usable meanwhile.
import {along, fill, focused, make, partOf} from '../../../web/js/dom.js';

const TARGETS = {
  chips: '.sl-answer', maps: '.sl-maps', sliders: '.sl-panel', steps: '.sl-opened > summary', test: '.sl-proof > summary',
};
const GAP = 12, AROUND = 5;  // pixels from the part to the window, and to the ring

/**
 * Begin the tour, or go on with the one that is open.
 * @param {Pick<Context<{words: TourWords}>, 'element' | 'props'>} context
 * @returns {void}
 */
export function unfold({element, props}) {
  const root = partOf(element, '.sl-tour'), {words} = props, names = /** @type {(keyof TourWords['steps'])[]} */ (Object.keys(TARGETS)), last = names.length - 1;
  /** @type {HTMLElement | null} */
  const open = root.querySelector('.sl-tour-card');
  if (open) return open.focus();

  const before = focused() === document.body ? partOf(root, 'button') : focused();
  const ring = make('div', 'sl-tour-ring'), over = new AbortController();
  let card = make('section'), at = 0;
  /** @type {HTMLElement | null} */
  let target = null;
  ring.setAttribute('aria-hidden', 'true');
  root.append(ring, card);

  /** @type {(text: string, name: string, act: () => void) => HTMLButtonElement} */
  function button(text, name, act) {
    const node = make('button', `sl-small ${name}`, text);
    node.type = 'button';
    node.addEventListener('click', act);
    return node;
  }

  // A new window for each step: what has the focus anew is read out.
  /** @type {(step: number) => void} */
  function show(step) {
    at = step;
    const name = names[at], {title, text} = words.steps[name], row = make('div', 'sl-tour-buttons');
    const made = make('section', 'sl-tour-card'), heading = make('h2', '', title), body = make('p', '', text);
    heading.id = 'sl-tour-title';
    body.id = 'sl-tour-text';
    made.tabIndex = -1;
    made.setAttribute('role', 'dialog');
    made.setAttribute('aria-labelledby', heading.id);
    made.setAttribute('aria-describedby', body.id);
    made.addEventListener('keydown', event => {
      const to = along(event, at, last);
      if (to === null) return;
      event.stopPropagation();
      if (to !== at) show(to);
    });
    row.append(make('span', 'sl-tour-count', fill(words.count, {step: at + 1, all: names.length})));
    if (at < last) row.append(button(words.skip, 'sl-tour-skip', end));
    if (at) row.append(button(words.back, 'sl-tour-back', () => show(at - 1)));
    row.append(button(at < last ? words.next : words.done, 'sl-tour-next', () => at < last ? show(at + 1) : end()));
    made.append(heading, body, row);
    card.replaceWith(made);
    card = made;
    if (target) sizes.unobserve(target);
    target = document.querySelector(TARGETS[/** @type {keyof typeof TARGETS} */ (name)]);
    if (target) sizes.observe(target);
    reveal();
    place();
    card.focus({preventScroll: true});
  }

  // Scroll to the part, below the bar of chips, unless it is in sight with room for the window.
  function reveal() {
    const box = target?.getBoundingClientRect(), bar = document.querySelector('#sl-bar'), room = card.offsetHeight + 2 * GAP;
    if (!box?.height || !bar || !target) return;
    const sticks = getComputedStyle(bar).position === 'sticky' && !bar.contains(target), top = sticks ? bar.clientHeight : 0;
    const below = box.top >= top && box.bottom + room <= innerHeight, above = box.top - room >= top && box.bottom <= innerHeight;
    if (!below && !above) scrollBy({top: box.top - top - GAP, behavior: 'instant'});
  }

  function place() {
    const box = target?.getBoundingClientRect(), {offsetWidth: width, offsetHeight: height} = card, most = innerHeight - height - GAP;
    ring.hidden = !box?.height;
    const {left, top, bottom} = box?.height ? box : {left: innerWidth, top: innerHeight, bottom: innerHeight};
    const y = bottom + GAP <= most ? bottom + GAP : top - height - GAP >= GAP ? top - height - GAP : most;
    card.style.translate = `${Math.max(0, Math.min(left, innerWidth - width - GAP))}px ${Math.max(0, y)}px`;
    if (!box) return;
    ring.style.translate = `${left - AROUND}px ${top - AROUND}px`;
    ring.style.width = `${box.width + 2 * AROUND}px`;
    ring.style.height = `${box.height + 2 * AROUND}px`;
  }

  function end() {
    const held = card.contains(document.activeElement);
    over.abort();
    sizes.disconnect();
    ring.remove();
    card.remove();
    if (held || focused() === document.body) before?.focus();
    const query = new URLSearchParams(location.search);
    query.delete('tour');
    history.replaceState(history.state, '', `${location.pathname}${query.size ? `?${query}` : ''}`);
  }

  const sizes = new ResizeObserver(place), {signal} = over;
  sizes.observe(document.body);
  addEventListener('scroll', place, {signal, passive: true, capture: true});
  addEventListener('resize', place, {signal});
  document.addEventListener('keydown', event => {
    if (event.key === 'Escape' && !event.defaultPrevented && !document.querySelector('dialog[open]')) end();
  }, {signal});
  show(0);
}
