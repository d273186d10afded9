// The presentation on a stage: keys for words, methods and the film, a spot that follows the mouse,
// a blank screen, and maps as tall as the screen has room for.
import {make} from '../../../web/js/dom.js';
import {sightline} from '../../../web/js/state.js';

/**
 * Add what a presentation has besides its styles.
 * @param {() => boolean} presents whether there is one now
 * @param {string} blankLabel says what the blank screen is
 * @returns {void}
 */
export function addStage(presents, blankLabel) {
  const {now} = sightline, page = document.documentElement;
  const spot = make('div', 'sl-spot'), blank = make('div', 'sl-blank');
  spot.setAttribute('aria-hidden', 'true');
  blank.setAttribute('role', 'img');
  blank.setAttribute('aria-label', blankLabel);
  blank.hidden = true;
  document.body.append(spot, blank);

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
  }

  /** @type {Record<string, () => void>} */
  const acts = {
    ArrowRight: () => step(1), PageDown: () => step(1), ArrowLeft: () => step(-1), PageUp: () => step(-1),
    m: alone,
    f: () => sightline.set({playing: !now.playing}),
    h: () => page.classList.toggle('sl-bare'),
    l: () => page.classList.toggle('sl-spotless'),
    b: () => { blank.hidden = false; },
  };
  document.addEventListener('keydown', event => {
    if (!presents() || !sightline.free(event)) return;
    const act = blank.hidden ? acts[event.key.length === 1 ? event.key.toLowerCase() : event.key] : () => { blank.hidden = true; };
    if (!act) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    act();
  });
  blank.addEventListener('click', () => { blank.hidden = true; });
  document.addEventListener('pointermove', event => {
    spot.style.translate = `${event.clientX}px ${event.clientY}px`;
  });

  // The height that all but a map takes, so that the maps get the rest.
  const BELOW = 24;  // pixels that the page leaves below its last part
  const measure = new ResizeObserver(() => {
    const view = document.querySelector('.sl-view'), frame = document.querySelector('.sl-map:not([hidden]) .sl-frame');
    if (!view || !frame || !presents()) return;
    const box = view.getBoundingClientRect(), used = box.top + scrollY + box.height - frame.getBoundingClientRect().height;
    page.style.setProperty('--sl-used', `${Math.ceil(used) + BELOW}px`);
  });
  sightline.on('entry', () => {
    for (const part of document.querySelectorAll('.sl-view, .sl-tokens')) measure.observe(part);
  });
}
