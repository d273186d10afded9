// The presentation on a stage: keys for words, methods, the film and the sliders, a spot that follows
// the mouse, a blank screen, the address as a QR code, and maps as large as the screen has room for.
import {arrange} from './arrange.js';
import {make} from './dom.js';
import {sightline} from './state.js';

/**
 * Add the presentation; the key P begins and ends it.
 * @param {{blank: string, code?: {src: string, address: string, label: string} | null}} told what the blank screen is, and a
 *   QR code of the address
 * @param {(on: boolean) => void} changed hears when it begins and ends
 * @returns {(on: boolean) => void} begins or ends it
 */
export function addStage({blank: blankLabel, code = null}, changed = () => {}) {
  const {now} = sightline, page = document.documentElement, presents = () => page.classList.contains('sl-present');
  const spot = make('div', 'sl-spot'), blank = make('div', 'sl-blank'), shown = make('div', 'sl-code'), covers = [blank, shown];
  spot.setAttribute('aria-hidden', 'true');
  blank.setAttribute('role', 'img');
  blank.setAttribute('aria-label', blankLabel);
  if (code) shown.append(Object.assign(make('img'), {src: code.src, alt: code.label}), make('p', '', code.address));
  for (const cover of covers) {
    cover.hidden = true;
    cover.addEventListener('click', () => { cover.hidden = true; });
  }
  document.body.append(spot, ...covers);

  /** @type {(on: boolean) => void} */
  function present(on) {
    page.classList.toggle('sl-present', on);
    lay();
    changed(on);
  }

  /** @type {(by: number) => void} */
  function step(by) {
    const answer = now.chips.filter(chip => chip.role === 'answer').map(chip => ({chip: chip.index}));
    const to = answer[answer.findIndex(subject => sightline.key(subject) === sightline.key(now.subject)) + by];
    if (to) sightline.set({subject: to, peek: null, playing: false});
  }

  // All methods, then each alone.
  function alone() {
    const count = document.querySelectorAll('.sl-maps > .sl-map').length;
    page.dataset.alone = String((Number(page.dataset.alone ?? 0) + 1) % (count + 1));
    lay();
  }

  /** @type {Record<string, () => void>} */
  const acts = {
    ArrowRight: () => step(1), PageDown: () => step(1), ArrowLeft: () => step(-1), PageUp: () => step(-1),
    m: alone,
    f: () => sightline.set({playing: !now.playing}),
    h: () => page.classList.toggle('sl-bare'),
    l: () => page.classList.toggle('sl-spotless'),
    s: () => { page.classList.toggle('sl-sliders'); lay(); },
    b: () => { blank.hidden = false; },
    ...code && {q: () => { shown.hidden = false; }},
  };
  // Arrow keys move a slider that has the focus.
  /** @type {(event: KeyboardEvent) => (() => void) | undefined} */
  function actOf({key, target}) {
    const cover = covers.find(other => !other.hidden), name = key.length === 1 ? key.toLowerCase() : key;
    if (cover) return () => { cover.hidden = true; };
    return name.length > 1 && target instanceof HTMLInputElement && target.closest('.sl-panel') ? undefined : acts[name];
  }
  document.addEventListener('keydown', event => {
    if (!sightline.free(event)) return;
    const isSwitch = event.key.toLowerCase() === 'p', act = isSwitch ? () => present(!presents()) : presents() ? actOf(event) : undefined;
    if (!act) return;
    event.preventDefault();
    if (!isSwitch) event.stopImmediatePropagation();
    act();
  });
  document.addEventListener('pointermove', event => {
    spot.style.translate = `${event.clientX}px ${event.clientY}px`;
  });

  // Give the maps all that other parts leave of the screen.
  const BELOW = 24, LEAST = 240, gap = 14;  // pixels that the page leaves below its last part, and of maps on a low screen
  function lay() {
    const view = document.querySelector('.sl-view'), row = view?.querySelector('.sl-maps');
    const shown = [...row?.children ?? []].filter(figure => figure.getClientRects().length);
    if (!view || !row || !shown.length || !presents()) return;
    const height = (/** @type {Element | null} */ part) => part?.getBoundingClientRect().height ?? 0, {top} = view.getBoundingClientRect();
    const below = height(document.querySelector('.sl-panel')) || BELOW, used = top + scrollY + height(view) - height(row) + below;
    const around = height(shown[0]) - height(shown[0].querySelector('.sl-frame'));
    const ratio = Number(getComputedStyle(view).getPropertyValue('--ratio')) || 1;
    const room = {width: row.clientWidth, height: Math.max(innerHeight - used, LEAST), around: Math.ceil(around), gap};
    const {large, small, ...places} = arrange(shown.length, ratio, room);
    const style = {...places, large: `${Math.floor(large)}px`, small: `${Math.floor(small)}px`};
    for (const [name, value] of Object.entries(style)) page.style.setProperty(`--sl-${name}`, String(value));
  }
  const measure = new ResizeObserver(lay);
  addEventListener('resize', lay);
  sightline.on('entry', () => {
    for (const part of document.querySelectorAll('.sl-view, .sl-tokens')) measure.observe(part);
    lay();
  });
  return present;
}
