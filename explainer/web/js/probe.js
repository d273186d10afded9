// The cross-hair: one place of the picture, marked in all maps, with the value of each there.
// `sightline.now.probe` is {x, y}, shares of the picture's width and height, or null.
import {make} from './dom.js';
import {cellsOf} from './paint.js';
import {sightline} from './state.js';
import {clamp, placeAt, shareOf} from './zoom.js';

/** @type {Record<string, [number, number]>} */
const STEPS = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};

/**
 * Find the cell of a map at a place of the picture.
 * @param {Pick<MapPart, 'shape' | 'extent' | 'frame'>} part
 * @param {Place} place
 * @returns {[number, number] | null} row and column; null where nothing was seen
 */
export function cellAt({shape: [h, w], extent, frame: [x0, y0, x1, y1]}, {x, y}) {
  const column = Math.floor((x - x0) / (x1 - x0) * w), row = Math.floor((y - y0) / (y1 - y0) * h);
  const inside = x >= extent[0] && x <= extent[2] && y >= extent[1] && y <= extent[3];
  return inside ? [clamp(row, 0, h - 1), clamp(column, 0, w - 1)] : null;
}

/**
 * Find the middle of what a cell holds of the picture.
 * @param {Pick<MapPart, 'shape' | 'extent' | 'frame'>} part
 * @param {[number, number]} cell row and column
 * @returns {Place}
 */
export function middleOf({shape: [h, w], extent, frame}, [row, column]) {
  const [x, y] = [[column, w], [row, h]].map(([at, count], i) => {
    /** @type {(n: number) => number} */
    const edge = n => clamp(frame[i] + n / count * (frame[i + 2] - frame[i]), extent[i], extent[i + 2]);
    return (edge(at) + edge(at + 1)) / 2;
  });
  return {x, y};
}

/**
 * Read the value of a map at a cell.
 * @param {MethodMap} map
 * @param {MapPart} part
 * @param {[number, number]} cell row and column
 * @returns {number} 0 to 1, or -1 to 1 if the map is signed
 */
export function valueAt(map, part, [row, column]) {
  const step = cellsOf(part)[row * part.shape[1] + column] / 255;
  return map.signed ? 2 * step - 1 : step;
}

/**
 * Let a frame point at places, and mark the place that is pointed at.
 * @param {HTMLElement} frame
 * @returns {{show(text: string): void}}
 */
export function crosshair(frame) {
  const across = make('i', 'sl-across'), down = make('i', 'sl-down'), value = make('output', 'sl-value');
  frame.append(across, down, value);
  frame.tabIndex = 0;
  frame.addEventListener('pointermove', event => {
    if (event.pointerType === 'mouse' || event.buttons) sightline.set({probe: within(placeAt(frame, event))});
  });
  frame.addEventListener('pointerdown', event => sightline.set({probe: within(placeAt(frame, event))}));
  frame.addEventListener('pointerleave', event => {
    if (event.pointerType === 'mouse' && document.activeElement !== frame) sightline.set({probe: null});
  });
  frame.addEventListener('blur', () => sightline.set({probe: null}));
  frame.addEventListener('keydown', event => {
    const by = STEPS[event.key];
    const {entry, image, probe} = sightline.now, part = entry?.maps.find(map => map.parts.length)?.parts[image];
    if (event.key === 'Escape') sightline.set({probe: null});
    if (!by || !part || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const [h, w] = part.shape, [row, column] = probe && cellAt(part, probe) || [h >> 1, w >> 1];
    sightline.set({probe: middleOf(part, [clamp(row + by[0], 0, h - 1), clamp(column + by[1], 0, w - 1)])});
  });
  return {
    show(text) {
      const {probe} = sightline.now, at = probe && shareOf(probe);
      const on = at && at.x >= 0 && at.x <= 1 && at.y >= 0 && at.y <= 1;
      across.hidden = down.hidden = !on;
      value.textContent = probe ? text : '';
      if (!on) return;
      across.style.top = `${100 * at.y}%`;
      down.style.left = `${100 * at.x}%`;
    },
  };
}

/** @type {(place: Place) => Place} */
const within = ({x, y}) => ({x: clamp(x, 0, 1), y: clamp(y, 0, 1)});
