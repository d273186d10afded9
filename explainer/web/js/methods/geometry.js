// Where the cells of maps lie in the picture, and how a map comes from one grid onto another.
// Twin of explainer/run/geometry.py, in the same order of operations, so that ties fall alike.
import {roundEven, sum} from './sums.js';

const MOST_PIXELS = 1 << 17, SLIVER = .01, EVEN = 1e-3;
/** @type {(value: number, low: number, high: number) => number} */
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/**
 * Return rows and columns of a grid.
 * @param {MapGrid} grid
 * @returns {[number, number]}
 */
export function shapeOf(grid) { return [grid.y.length - 1, grid.x.length - 1]; }

/**
 * Count the cells of several grids.
 * @param {MapGrid[]} grids
 * @returns {number}
 */
export function cellCount(grids) {
  return grids.reduce((count, grid) => count + (grid.y.length - 1) * (grid.x.length - 1), 0);
}

/**
 * Return where the cells of a map on a grid lie.
 * @param {MapGrid} grid
 * @returns {MapPlacement}
 */
export function placement(grid) {
  return {extent: box(grid.y, grid.x), frame: box(wholeEdges(grid.y), wholeEdges(grid.x))};
}

/** @type {(y: ArrayLike<number>, x: ArrayLike<number>) => Rectangle} */
const box = (y, x) => [x[0], y[0], x[x.length - 1], y[y.length - 1]];

/**
 * Return a grid with each whole cell cut into `factor` times `factor`; pieces without picture are left out.
 * @param {MapGrid} grid
 * @param {number} factor
 * @returns {MapGrid}
 */
export function divided(grid, factor) {
  return factor === 1 ? grid : {y: divide(grid.y, factor), x: divide(grid.x, factor)};
}

/**
 * Return a grid of the same extent with cells of one pixel, or of more where those would be too many.
 * @param {MapGrid} grid
 * @returns {MapGrid}
 */
export function atPixels(grid) {
  const [x0, y0, x1, y1] = box(grid.y, grid.x);
  const step = Math.ceil(Math.sqrt(Math.max(1, (x1 - x0) * (y1 - y0) / MOST_PIXELS)));
  /** @type {(low: number, high: number) => Float64Array} */
  const axis = (low, high) => linspace(low, high, Math.max(1, roundEven((high - low) / step)) + 1);
  return {y: axis(y0, y1), x: axis(x0, x1)};
}

/**
 * Return `count` evenly spaced numbers from `low` to `high`.
 * @param {number} low
 * @param {number} high
 * @param {number} count
 * @returns {Float64Array}
 */
export function linspace(low, high, count) {
  const step = (high - low) / (count - 1), out = Float64Array.from({length: count}, (_, i) => i * step + low);
  out[count - 1] = high;
  return out;
}

/**
 * Interpolate a piecewise linear function, constant past its ends.
 * @param {number} at
 * @param {ArrayLike<number>} knots increasing
 * @param {ArrayLike<number>} values at the knots
 * @returns {number}
 */
export function interpolate(at, knots, values) {
  const last = knots.length - 1;
  if (at <= knots[0]) return values[0];
  if (at >= knots[last]) return values[last];
  let low = 0, high = last;
  while (high - low > 1) {
    const middle = low + high >> 1;
    if (knots[middle] <= at) low = middle;
    else high = middle;
  }
  return (values[low + 1] - values[low]) / (knots[low + 1] - knots[low]) * (at - knots[low]) + values[low];
}

/**
 * Return the edges of whole cells from those that are cut down to the picture.
 * @param {ArrayLike<number>} edges
 * @returns {Float64Array}
 */
export function wholeEdges(edges) {
  const whole = Float64Array.from(edges), n = whole.length - 1;
  const sizes = Array.from({length: n}, (_, i) => whole[i + 1] - whole[i]);
  const step = n > 2 ? sum(sizes.slice(1, -1)) / (n - 2) : Math.max(...sizes);
  const [first, last] = [whole[1] - step, whole[n - 1] + step];
  if (Math.abs(first - edges[0]) > EVEN * step) whole[0] = first;
  if (Math.abs(last - edges[n]) > EVEN * step) whole[n] = last;
  return whole;
}

/** @type {(edges: ArrayLike<number>, factor: number) => Float64Array} */
function divide(edges, factor) {
  const whole = wholeEdges(edges), n = whole.length - 1, count = n * factor, index = whole.map((_, i) => i);
  const fine = Float64Array.from({length: count + 1}, (_, i) => clamp(interpolate(i / factor, index, whole), edges[0], edges[n]));
  const size = (whole[n] - whole[0]) / count;
  /** @type {(i: number) => boolean} */
  const holds = i => fine[i + 1] - fine[i] > SLIVER * size;
  let first = 0, last = count - 1;
  while (!holds(first)) first++;
  while (!holds(last)) last--;
  fine[first] = edges[0];
  fine[last + 1] = edges[n];
  return fine.slice(first, last + 2);
}

/** @type {Record<string, (x: number) => number>} */
const KERNELS = {
  bilinear: x => Math.max(0, 1 - Math.abs(x)),
  bicubic(x) {  // Keys, a = -1/2
    const u = Math.abs(x);
    if (u < 1) return (1.5 * u - 2.5) * u ** 2 + 1;
    return u < 2 ? ((-.5 * u + 2.5) * u - 4) * u + 2 : 0;
  },
};

/**
 * Weigh the cells of one axis for each cell of another; the weights of one sum to 1.
 * @param {ArrayLike<number>} from edges of the cells that are read
 * @param {ArrayLike<number>} to edges of the cells that are wanted
 * @param {string} mode bilinear, bicubic or nearest
 * @returns {{first: number, weights: Float32Array}[]} for each wanted cell the first one that is read, and weights
 */
export function axisWeights(from, to, mode) {
  const n = from.length - 1, source = wholeEdges(from), target = wholeEdges(to);
  const knots = new Float64Array(n + 2), index = new Float64Array(n + 2), edges = source.map((_, i) => i);
  for (let i = 0; i < n; i++) {
    knots[i + 1] = (source[i] + source[i + 1]) / 2;
    index[i + 1] = i;
  }
  [knots[0], knots[n + 1], index[0], index[n + 1]] = [source[0], source[n], -.5, n - .5];
  return Array.from({length: target.length - 1}, (_, i) => {
    const at = interpolate((target[i] + target[i + 1]) / 2, knots, index);
    if (mode === 'nearest') return {first: clamp(Math.floor(at + .5), 0, n - 1), weights: Float32Array.of(1)};
    const width = Math.max(1, interpolate(target[i + 1], source, edges) - interpolate(target[i], source, edges));
    return spread(at, width, n, KERNELS[mode]);
  });
}

// The weights of the cells around a place; cells past the edge count for the one at the edge.
/** @type {(at: number, width: number, n: number, kernel: (x: number) => number) => {first: number, weights: Float32Array}} */
function spread(at, width, n, kernel) {
  const low = Math.floor(at - 2 * width), high = Math.ceil(at + 2 * width), first = clamp(low, 0, n - 1);
  const weights = new Float64Array(clamp(high, 0, n - 1) - first + 1);
  let total = 0;
  for (let cell = low; cell <= high; cell++) {
    const weight = kernel((cell - at) / width);
    weights[clamp(cell, 0, n - 1) - first] += weight;
    total += weight;
  }
  return {first, weights: Float32Array.from(weights, weight => weight / total)};
}

/**
 * Return a function that takes a map from one grid to another.
 * @param {MapGrid} source
 * @param {MapGrid} target
 * @param {string} mode
 * @returns {(values: ArrayLike<number>) => Float32Array}
 */
export function resampler(source, target, mode) {
  const ys = axisWeights(source.y, target.y, mode), xs = axisWeights(source.x, target.x, mode);
  const [rows, columns] = shapeOf(source), wide = new Float32Array(rows * xs.length);
  return values => {
    for (let row = 0; row < rows; row++) {
      xs.forEach(({first, weights}, column) => {
        let total = 0;
        for (let i = 0; i < weights.length; i++) total += weights[i] * values[row * columns + first + i];
        wide[row * xs.length + column] = total;
      });
    }
    const out = new Float32Array(ys.length * xs.length);
    ys.forEach(({first, weights}, row) => {
      for (let column = 0; column < xs.length; column++) {
        let total = 0;
        for (let i = 0; i < weights.length; i++) total += weights[i] * wide[(first + i) * xs.length + column];
        out[row * xs.length + column] = total;
      }
    });
    return out;
  };
}

/**
 * Join the maps of all images into one row of cells.
 * @param {Float32Array[]} maps
 * @returns {Float32Array}
 */
export function join(maps) {
  if (maps.length === 1) return maps[0];
  const out = new Float32Array(maps.reduce((count, map) => count + map.length, 0));
  let at = 0;
  for (const map of maps) {
    out.set(map, at);
    at += map.length;
  }
  return out;
}

/**
 * Cut a row of cells into the maps of all images.
 * @param {Float32Array} cells
 * @param {MapGrid[]} grids
 * @returns {Float32Array[]}
 */
export function split(cells, grids) {
  let at = 0;
  return grids.map(grid => cells.subarray(at, at += cellCount([grid])));
}
