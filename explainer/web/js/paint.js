// Drawing a map of 8-bit steps on a canvas.
import {make} from './dom.js';

const SIDE = 336;  // longest side of a canvas in its own pixels; the page scales it

/**
 * Decode base64.
 * @param {string} data
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function bytes(data) { return Uint8Array.from(atob(data), c => c.charCodeAt(0)); }

/**
 * Return the steps of a map, row by row; they are decoded when they are read first.
 * @param {MapPart} map
 * @returns {ArrayLike<number>}
 */
export function cellsOf(map) { return map.cells ??= bytes(map.data ?? ''); }

/**
 * Decode colour tables.
 * @param {Record<string, string>} tables 256 times RGB in base64, by name
 * @returns {Record<string, Uint32Array>} pixels as a canvas keeps them
 */
export function readTables(tables) {
  return Object.fromEntries(Object.entries(tables).map(([name, data]) => [name, tableOf(data)]));
}

/** @type {(data: string) => Uint32Array} */
function tableOf(data) {
  const rgb = bytes(data);
  return Uint32Array.from({length: 256}, (_, i) =>
    (255 << 24 | rgb[3 * i + 2] << 16 | rgb[3 * i + 1] << 8 | rgb[3 * i]) >>> 0);
}

/** @type {WeakMap<Uint32Array, Record<string, Uint32Array>>} */
const covered = new WeakMap();

/**
 * Return the colours with the opacity that `cover` gives each, a share of the map's own opacity: 1
 * for `all`; by `value` it grows from 0 at the value 0 to 1 at half of the full value.
 * @param {Uint32Array} table
 * @param {boolean} signed whether 0 is in the middle of the table
 * @param {string} cover all or value
 * @returns {Uint32Array}
 */
export function covering(table, signed, cover) {
  if (cover !== 'value') return table;
  const known = covered.get(table) ?? {};
  covered.set(table, known);
  return known[String(signed)] ??= table.map((pixel, i) => {
    const value = signed ? Math.abs(2 * i - 255) / 255 : i / 255;
    return (pixel & 0xffffff | Math.round(255 * Math.min(1, 2 * value)) << 24) >>> 0;
  });
}

// A map has as many cells as its `shape` says, rows and columns, of equal size in its `frame`, and
// shows those of the picture within its `extent`: at the border of a padded picture the frame sticks
// out. Both are [x0, y0, x1, y1] in shares of the picture.

/** @type {Map<string, {low: Int32Array, high: Int32Array, part: Float32Array}>} */
const axes = new Map();

/**
 * Weigh cells along one axis, for each pixel: two cells, and the share of the second; `low` is -1
 * where the model saw nothing.
 *
 * Smooth weights are bilinear: a cell has its own value at the centre of its place in the frame,
 * since half a cell off would point at the wrong thing.
 * @param {number} pixels
 * @param {[number, number]} seen from and to, shares of the picture
 * @param {[number, number]} frame where the cells begin and end
 * @param {number} cells
 * @param {string} drawing smooth or cells
 * @returns {{low: Int32Array, high: Int32Array, part: Float32Array}}
 */
export function axis(pixels, [from, to], [start, stop], cells, drawing) {
  const name = [pixels, from, to, start, stop, cells, drawing].join();
  const known = axes.get(name);
  if (known) return known;
  const low = new Int32Array(pixels), high = new Int32Array(pixels), part = new Float32Array(pixels);
  for (let i = 0; i < pixels; i++) {
    const f = (i + .5) / pixels, place = (f - start) / (stop - start) * cells;
    const at = Math.min(cells - 1, Math.max(0, drawing === 'cells' ? Math.floor(place) : place - .5));
    low[i] = f >= from && f < to ? Math.floor(at) : -1;
    high[i] = Math.min(cells - 1, Math.floor(at) + 1);
    part[i] = at - Math.floor(at);
  }
  if (axes.size > 64) axes.clear();  // as many shapes as a page full of pictures has
  const made = {low, high, part};
  axes.set(name, made);
  return made;
}

// Set the size of a canvas for pictures of this ratio.
/** @type {(canvas: HTMLCanvasElement, ratio: number) => void} */
function fitCanvas(canvas, ratio) {
  const width = Math.max(1, Math.round(ratio >= 1 ? SIDE : SIDE * ratio));
  const height = Math.max(1, Math.round(ratio >= 1 ? SIDE / ratio : SIDE));
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

/**
 * Sample a map at each pixel.
 * @param {MapPart} map
 * @param {number} width
 * @param {number} height
 * @param {string} drawing smooth or cells
 * @returns {Float32Array} steps, not yet rounded; -1 where nothing was seen
 */
export function sample(map, width, height, drawing = 'smooth') {
  const [h, w] = map.shape, cells = cellsOf(map);
  const [xs, ys] = [[width, w], [height, h]].map(([pixels, count], i) =>
    axis(pixels, [map.extent[i], map.extent[i + 2]], [map.frame[i], map.frame[i + 2]], count, drawing));
  const out = new Float32Array(width * height), row = new Float32Array(w);
  for (let y = 0, at = 0; y < height; y++) {
    const low = ys.low[y], high = ys.high[y], part = ys.part[y];
    if (low >= 0) for (let i = 0; i < w; i++) row[i] = cells[low * w + i] * (1 - part) + cells[high * w + i] * part;
    for (let x = 0; x < width; x++, at++) {
      out[at] = low < 0 || xs.low[x] < 0 ? -1 : row[xs.low[x]] * (1 - xs.part[x]) + row[xs.high[x]] * xs.part[x];
    }
  }
  return out;
}

/** @type {(canvas: HTMLCanvasElement) => CanvasRenderingContext2D} */
function penOf(canvas) {
  const pen = canvas.getContext('2d');
  if (!pen) throw new Error('the canvas cannot be drawn on');
  return pen;
}

// Colour the pixels of a canvas by steps; what was not seen is hatched.
/** @type {(canvas: HTMLCanvasElement, steps: Float32Array, table: Uint32Array) => void} */
function colour(canvas, steps, table) {
  const {width, height} = canvas, pen = penOf(canvas), image = pen.createImageData(width, height);
  const out = new Uint32Array(image.data.buffer);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      out[at] = steps[at] >= 0 ? table[steps[at] + .5 | 0] : (x + y) % 14 < 3 ? 0xff808080 : 0xff303030;
    }
  }
  pen.putImageData(image, 0, 0);
}

/**
 * Draw a map on a canvas of its own size; what was not seen is hatched.
 * @param {HTMLCanvasElement} canvas
 * @param {MapPart} map
 * @param {Uint32Array} table
 * @param {number} ratio width of the picture by its height
 * @param {string} drawing smooth or cells
 * @returns {void}
 */
export function paint(canvas, map, table, ratio, drawing) {
  fitCanvas(canvas, ratio);
  colour(canvas, sample(map, canvas.width, canvas.height, drawing), table);
}

/**
 * Create a bar of colours as they look over a picture: above over a light one, below over a dark one.
 * @returns {{box: HTMLElement, draw(table: Uint32Array): void}}
 */
export function colourBar() {
  const box = make('div', 'sl-scale'), canvas = make('canvas', 'sl-bar');
  box.setAttribute('aria-hidden', 'true');
  box.append(canvas);
  canvas.width = 256;
  canvas.height = 1;
  return {box, draw(table) {
    const pen = penOf(canvas), image = pen.createImageData(256, 1);
    new Uint32Array(image.data.buffer).set(table);
    pen.putImageData(image, 0, 0);
  }};
}
