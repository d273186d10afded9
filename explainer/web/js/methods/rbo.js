// Rank-biased overlap of two ranked lists cut off at the same depth. Twin of
// explainer/methods/rbo.py, which has the source and the formulas.

/**
 * Return the weight of the overlap at each depth from 1 to k.
 * @param {number} k
 * @param {number} p
 * @param {string} variant
 * @returns {Float64Array}
 */
export function depthWeights(k, p, variant) {
  const weights = Float64Array.from({length: k}, (_, i) => variant === 'average' ? 1 / (k * (i + 1)) : (1 - p) * p ** i / (i + 1));
  if (variant === 'normalised') return weights.map(weight => weight / (1 - p ** k));
  if (variant === 'extrapolated') weights[k - 1] += p ** k / k;
  return weights;
}

/**
 * Return what a shared item adds whose lower rank is m = 0 to k - 1, then 0.
 * @param {number} k
 * @param {number} p
 * @param {string} variant
 * @returns {Float64Array} (k + 1)
 */
export function gains(k, p, variant) {
  const weights = depthWeights(k, p, variant), out = new Float64Array(k + 1);
  for (let m = k - 1; m >= 0; m--) out[m] = out[m + 1] + weights[m];
  return out;
}

/**
 * Return the overlap of one list with each of others.
 * @param {ArrayLike<number>} target k ids, best first
 * @param {ArrayLike<number>[]} lists k ids each
 * @param {number} p
 * @param {string} variant
 * @returns {Float64Array} in [0, 1]
 */
export function rbo(target, lists, p, variant) {
  const k = target.length, gain = gains(k, p, variant), ranks = new Map();
  for (let i = 0; i < k; i++) ranks.set(target[i], i);
  return Float64Array.from(lists, list => {
    let total = 0;
    for (let i = 0; i < k; i++) total += gain[Math.max(ranks.get(list[i]) ?? k, i)];
    return Math.min(1, Math.max(0, total));
  });
}
