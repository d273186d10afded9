// The rank Gaussian filter. Twin of explainer/methods/filters.py, which has source and formula.
import {sum} from './sums.js';

const FLOOR = 1e-6;  // of the coefficient of variation: a flat window keeps its value

/** @type {(at: number, n: number) => number} */
const clampTo = (at, n) => Math.min(n - 1, Math.max(0, at));
/** @type {(at: number, n: number) => number} */
function mirror(at, n) {
  if (n === 1) return 0;
  const period = 2 * (n - 1), place = (at % period + period) % period;
  return place < n ? place : period - place;
}
/**
 * Which cell stands for one past the edge; -1 for none.
 * @type {Record<string, (at: number, n: number) => number>}
 */
const BORDERS = {mirror, edge: clampTo, inside: (at, n) => at < 0 || at >= n ? -1 : at};

// Call `act` with each cell and the sorted values of its window.
/** @type {(values: Float32Array, shape: [number, number], window: number, border: string, act: (cell: number, ranked: Float32Array, n: number) => void) => void} */
function eachWindow(values, [h, w], window, border, act) {
  const r = window >> 1, place = BORDERS[border], ranked = new Float32Array(window * window);
  const columns = Array.from({length: w + 2 * r}, (_, i) => place(i - r, w));
  for (let y = 0, cell = 0; y < h; y++) {
    const rows = Array.from({length: window}, (_, i) => place(y + i - r, h)).filter(row => row >= 0);
    for (let x = 0; x < w; x++, cell++) {
      let n = 0;
      for (const row of rows) {
        for (let i = x; i < x + window; i++) {
          if (columns[i] < 0) continue;
          const value = values[row * w + columns[i]];
          let at = n++;
          for (; at > 0 && ranked[at - 1] > value; at--) ranked[at] = ranked[at - 1];
          ranked[at] = value;
        }
      }
      act(cell, ranked, n);
    }
  }
}

/**
 * Replace each cell by a weighted mean of its ranked window.
 * @param {Float32Array} values not negative, row by row
 * @param {[number, number]} shape
 * @param {number} window odd; 1 leaves the map as it is
 * @param {string} border mirror, edge or inside
 * @returns {Float32Array}
 */
export function rankGaussian(values, shape, window, border) {
  if (window === 1) return values;
  const out = new Float32Array(values.length);
  eachWindow(values, shape, window, border, (cell, ranked, n) => { out[cell] = rankedMean(ranked, n); });
  return out;
}

/** @type {(ranked: Float32Array, n: number) => number} */
function rankedMean(ranked, n) {
  let total = 0, square = 0;
  for (let m = 0; m < n; m++) total += ranked[m];
  const mu = total / n;
  if (!(mu > 0)) return 0;
  for (let m = 0; m < n; m++) square += (ranked[m] - mu) ** 2;
  const cv = Math.max(Math.sqrt(square / n) / mu, FLOOR), nearest = n % 2 ? 0 : .25;
  let weight = 0, mean = 0;
  for (let m = 0; m < n; m++) {
    const gauss = Math.exp((nearest - (m - (n - 1) / 2) ** 2) / (2 * cv ** 2));
    weight += gauss;
    mean += gauss * ranked[m];
  }
  return mean / weight;
}

/**
 * Tell where the deviation of a mirrored window, as numpy computes it in float32, is exactly 0.
 * @param {Float32Array} values
 * @param {[number, number]} shape
 * @param {number} window
 * @returns {Uint8Array} 1 there
 */
export function zeroDeviation(values, shape, window) {
  const out = new Uint8Array(values.length), {fround} = Math;
  eachWindow(values, shape, window, 'mirror', (cell, ranked, n) => {
    const mean = fround(sum(ranked, fround, 0, n) / n);
    out[cell] = Number(ranked.every((value, i) => i >= n || fround(fround(value - mean) ** 2) === 0));
  });
  return out;
}
