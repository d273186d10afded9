// One zoom and pan for all maps. `sightline.now.zoom` is {scale, x, y}: how much larger, and
// which place of the picture lies in the middle, as shares of its width and height.
import {sightline} from './state.js';

const MOST_ZOOM = 12, WHOLE = {scale: 1, x: .5, y: .5};
/**
 * Keep a value within bounds.
 * @param {number} value
 * @param {number} low
 * @param {number} high
 * @returns {number}
 */
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/**
 * Zoom all maps; the frame never shows what lies beside the picture.
 * @param {number} scale
 * @param {number} [x] the place in the middle
 * @param {number} [y]
 * @returns {void}
 */
export function zoomTo(scale, x = .5, y = .5) {
  scale = clamp(scale, 1, MOST_ZOOM);
  const half = .5 / scale;  // the frame never shows what lies beside the picture
  sightline.set({zoom: scale === 1 ? WHOLE : {scale, x: clamp(x, half, 1 - half), y: clamp(y, half, 1 - half)}});
}

/**
 * Find the place of the picture under a point of a frame.
 * @param {Element} frame
 * @param {{clientX: number, clientY: number}} event
 * @returns {Place}
 */
export function placeAt(frame, event) {
  const box = frame.getBoundingClientRect(), {scale, x, y} = sightline.now.zoom;
  return {x: x + ((event.clientX - box.left) / box.width - .5) / scale, y: y + ((event.clientY - box.top) / box.height - .5) / scale};
}
/**
 * Find where in the frame a place of the picture lies.
 * @param {Place} place
 * @returns {Place} shares of the frame
 */
export function shareOf(place) {
  const {scale, x, y} = sightline.now.zoom;
  return {x: .5 + (place.x - x) * scale, y: .5 + (place.y - y) * scale};
}

/**
 * Zoom by a factor so that a place stays where it is.
 * @param {Place} place
 * @param {number} factor
 * @returns {void}
 */
export function zoomAt(place, factor) {
  const {scale, x, y} = sightline.now.zoom, next = clamp(scale * factor, 1, MOST_ZOOM), kept = scale / next;
  zoomTo(next, place.x + (x - place.x) * kept, place.y + (y - place.y) * kept);
}

/**
 * Let wheel, fingers, and keys zoom and move a frame.
 * @param {HTMLElement} frame
 * @returns {void}
 */
export function zoomable(frame) {
  /** @type {Map<number, {place: Place, at: PointerEvent}>} */
  const down = new Map();  // pointers that press: on which place, and where they are now
  const fingers = () => [...down.values()].map(finger => finger.at);
  const apart = (/** @type {PointerEvent[]} */ [a, b]) => a && b ? Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) : 0;
  let spread = 0;

  frame.addEventListener('wheel', event => {
    const {zoom} = sightline.now;
    if (event.deltaY >= 0 && zoom.scale === 1) return;  // then the page scrolls as ever
    event.preventDefault();
    zoomAt(placeAt(frame, event), Math.exp(-clamp(event.deltaY, -100, 100) / 250));
  }, {passive: false});
  frame.addEventListener('dblclick', () => zoomTo(1));
  frame.addEventListener('pointerdown', event => {
    down.set(event.pointerId, {place: placeAt(frame, event), at: event});
    if (sightline.now.zoom.scale > 1 || down.size > 1) frame.setPointerCapture(event.pointerId);
    spread = apart(fingers());
  });
  for (const name of /** @type {const} */ (['pointerup', 'pointercancel', 'lostpointercapture'])) {
    frame.addEventListener(name, event => { down.delete(event.pointerId); spread = 0; });
  }
  frame.addEventListener('pointermove', event => {
    const finger = down.get(event.pointerId);
    if (!finger) return;
    finger.at = event;
    const {scale, x, y} = sightline.now.zoom;
    if (down.size === 2) {
      const [a, b] = fingers(), now = apart([a, b]);
      const middle = {clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2};
      if (spread) zoomAt(placeAt(frame, middle), now / spread);
      spread = now;
    } else if (scale > 1) {
      const here = placeAt(frame, event);
      zoomTo(scale, x + finger.place.x - here.x, y + finger.place.y - here.y);
    }
  });
  frame.addEventListener('keydown', event => {
    const {scale, x, y} = sightline.now.zoom, centre = sightline.now.probe ?? {x, y}, step = .1 / scale;
    /** @type {Record<string, () => void>} */
    const acts = {
      '+': () => zoomAt(centre, 1.5), '=': () => zoomAt(centre, 1.5), '-': () => zoomAt(centre, 1 / 1.5), 0: () => zoomTo(1),
      ...event.shiftKey && {
        ArrowLeft: () => zoomTo(scale, x - step, y), ArrowRight: () => zoomTo(scale, x + step, y),
        ArrowUp: () => zoomTo(scale, x, y - step), ArrowDown: () => zoomTo(scale, x, y + step),
      },
    };
    const act = acts[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
}

/**
 * Let all stages below an element follow; the style is inherited, so this is all that a frame costs.
 * @param {HTMLElement} root
 * @returns {void}
 */
export function followZoom(root) {
  sightline.on('zoom', () => {
    const {scale, x, y} = sightline.now.zoom;
    root.style.setProperty('--zoom', `translate(${100 * (.5 - x * scale)}%, ${100 * (.5 - y * scale)}%) scale(${scale})`);
    root.classList.toggle('sl-zoomed', scale > 1);
  });
}
