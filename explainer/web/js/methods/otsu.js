// Maps in 256 steps, and where to cut one in two. Twin of explainer/methods/otsu.py.
import {largest} from './display.js';
import {roundEven} from './sums.js';

const FAINT = .1, LEAST = 2 ** -23;

/**
 * Return which of 256 steps from 0 to 1, or from -1 to 1 if signed, each value is nearest to.
 * @param {Float32Array} values
 * @param {boolean} signed
 * @returns {Uint8Array}
 */
export function levels(values, signed = false) {
  const {fround} = Math, low = signed ? -1 : 0;
  return Uint8Array.from(values, value => {
    const share = fround(fround(Math.min(1, Math.max(low, value)) - low) / (1 - low));
    return roundEven(fround(share * 255));
  });
}

/**
 * Return the threshold that best parts levels up to it from those above.
 * @param {Uint8Array} cells levels
 * @returns {number}
 */
export function otsu(cells) {
  const below = new Float64Array(256), moment = new Float64Array(256);
  for (const level of cells) below[level] += 1 / cells.length;
  for (let i = 0; i < 256; i++) moment[i] = below[i] * i + (i ? moment[i - 1] : 0);
  for (let i = 1; i < 256; i++) below[i] += below[i - 1];
  let best = 0, most = 0;
  for (let i = 0; i < 256; i++) {
    const both = below[i] * (1 - below[i]), variance = both > LEAST ? (moment[255] * below[i] - moment[i]) ** 2 / both : 0;
    if (variance > most) [best, most] = [i, variance];
  }
  return best;
}

/**
 * Tell whether nothing stands out in a map.
 * @param {Float32Array} values
 * @returns {boolean}
 */
export function isFaint(values) { return !(largest(values) >= FAINT); }
