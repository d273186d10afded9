// A rectangle that is drawn on the maps once it is asked for, by dragging, or by Enter at two
// places that the arrow keys point at. `drawn(box)` hears it as [x0, y0, x1, y1], shares of the
// picture; null if it was given up.
import {make, targetOf} from '../../../web/js/dom.js';
import {sightline} from '../../../web/js/state.js';

/**
 * Let a person draw a rectangle on the maps once it is asked for: by dragging, or by Enter at two
 * places that the arrow keys point at.
 * @param {(box: Rectangle | null) => void} drawn hears it; null if it was given up
 * @returns {{readonly value: Rectangle | null, ask(): void, clear(): void}}
 */
export function boxOnMaps(drawn) {
  let armed = false;
  /** @type {Place | null} */
  let from = null;
  /** @type {Rectangle | null} */
  let box = null;
  /** @type {(v: number) => number} */
  const within = v => Math.min(1, Math.max(0, v));
  /** @type {(a: Place, b: Place) => Rectangle} */
  const span = (a, b) => [Math.min(a.x, b.x), Math.min(a.y, b.y), Math.max(a.x, b.x), Math.max(a.y, b.y)];

  /** @type {(frame: HTMLElement, event: PointerEvent) => Place} */
  function placeIn(frame, event) {
    const {left, top, width, height} = frame.getBoundingClientRect(), {scale, x, y} = sightline.now.zoom;
    return {x: within(x + ((event.clientX - left) / width - .5) / scale), y: within(y + ((event.clientY - top) / height - .5) / scale)};
  }

  /** @type {(next: Rectangle | null) => void} */
  function show(next) {
    box = next;
    for (const stage of document.querySelectorAll('.sl-view .sl-stage')) {
      const mark = stage.querySelector('.sl-box') ?? stage.appendChild(make('i', 'sl-box'));
      mark.hidden = !box;
      if (!box) continue;
      const [x0, y0, x1, y1] = box.map(v => 100 * v);
      Object.assign(mark.style, {left: `${x0}%`, top: `${y0}%`, width: `${x1 - x0}%`, height: `${y1 - y0}%`});
    }
  }

  /** @type {(on: boolean) => void} */
  function arm(on) {
    armed = on;
    from = null;
    document.querySelector('.sl-view')?.classList.toggle('sl-drawing', on);
  }

  /** @type {(from: Place, to: Place) => void} */
  function end(from, to) {
    show(span(from, to));
    arm(false);
    drawn(box);
  }

  // Before the maps hear of it: while a rectangle is drawn they neither move nor zoom nor point.
  document.addEventListener('pointerdown', event => {
    const frame = armed && event.isPrimary && targetOf(event).closest('.sl-view .sl-frame');
    if (!frame) return;
    const over = new AbortController(), until = {capture: true, signal: over.signal};
    /** @type {(name: 'pointermove' | 'pointerup' | 'pointercancel', act: (place: Place) => void) => void} */
    const hear = (name, act) => document.addEventListener(name, e => { e.stopPropagation(); act(placeIn(frame, e)); }, until);
    event.preventDefault();
    event.stopPropagation();
    frame.setPointerCapture(event.pointerId);
    from = placeIn(frame, event);
    const giveUp = () => { over.abort(); show(null); from = null; };  // the next drag counts
    hear('pointermove', to => { if (armed && from) show(span(from, to)); });
    hear('pointercancel', giveUp);
    hear('pointerup', to => {
      if (!armed || !from || to.x === from.x || to.y === from.y) return giveUp();  // a mere click draws nothing
      over.abort();
      end(from, to);
    });
  }, true);

  document.addEventListener('keydown', event => {
    const {probe} = sightline.now;
    if (armed && event.key === 'Escape') {
      show(null);
      arm(false);
      drawn(null);
    } else if (armed && probe && event.key === 'Enter' && targetOf(event).matches('.sl-view .sl-frame')) {
      event.preventDefault();
      if (from) end(from, probe);
      else from = probe, show(span(probe, probe));
    }
  }, true);

  sightline.on('entry', () => show(box));  // maps of further methods
  sightline.on('run image', () => show(null));
  return {
    get value() { return box; },
    ask() { show(null); arm(true); },
    clear() { show(null); if (armed) arm(false); },
  };
}
