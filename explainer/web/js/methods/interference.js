// Subtract from a map what the maps of earlier words explain of it. Twin of
// explainer/methods/interference.py.

const NOTHING = 1e-9, FAINT = 1e-12;

/**
 * Return the mean of maps under weights (Eq. 8); without any weight a map of zeros.
 * @param {ArrayLike<number>} weights one for each map, at least 0
 * @param {(i: number) => Float32Array} mapAt returns a map; asked for those with a weight only
 * @param {number} cells
 * @returns {Float64Array}
 */
export function weightedMean(weights, mapAt, cells) {
  const out = new Float64Array(cells);
  let total = 0;
  for (let i = 0; i < weights.length; i++) total += weights[i];
  if (!(total > NOTHING)) return out;
  for (let i = 0; i < weights.length; i++) {
    if (!weights[i]) continue;
    const map = mapAt(i), share = weights[i] / total;
    for (let cell = 0; cell < cells; cell++) out[cell] += share * map[cell];
  }
  return out;
}

/**
 * Return the factor for which the least is left of a map (Eq. 9); 0 where there is no interference.
 * @param {Float32Array} map
 * @param {Float64Array} interference
 * @returns {number}
 */
export function bestBeta(map, interference) {
  let own = 0, square = 0, both = 0;
  for (let i = 0; i < map.length; i++) {
    own += map[i] * map[i];
    square += interference[i] * interference[i];
    both += map[i] * interference[i];
  }
  return square > FAINT * own ? both / square : 0;
}

/**
 * Return what is left of a map above 0 (Eq. 9).
 * @param {Float32Array} map
 * @param {Float64Array} interference
 * @param {number} beta
 * @returns {Float32Array}
 */
export function subtract(map, interference, beta) {
  return map.map((value, i) => Math.max(0, value - beta * interference[i]));
}
