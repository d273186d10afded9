// MSEA + ARC: the lens fused over several scales, minus what unrelated earlier words explain. Twin
// of explainer/methods/msea_arc.py, which has source and equations.
import {asParts, finish} from './display.js';
import {atPixels, cellCount, divided, join, resampler} from './geometry.js';
import {bestBeta, subtract, weightedMean} from './interference.js';
import {baseViews, earlier, repeated, scoreWeights} from './lens.js';
import {rbo} from './rbo.js';
import {Refusal, scaleOf, viewLogits} from './run.js';

const MOST_KEPT = 1 << 15;  // cells of a map that is kept for the next setting

/**
 * Return one map for each token, on the token grids of scale 1 (times `factor`) or pixels.
 * @param {RunEvidence} run
 * @param {number[]} tokens
 * @param {Settings} s all knobs
 * @returns {Heat[]}
 */
export function mseaArc(run, tokens, s) { return derivations(run, tokens, s).heats; }

/**
 * Return the maps of tokens, and how each came about.
 * @param {RunEvidence} run
 * @param {number[]} tokens
 * @param {Settings} s all knobs
 * @param {(token: number, j: number, map: Float32Array) => void} [seen] hears of each map that is subtracted from a
 *   token's; j is that of the token it belongs to, or T for A_0
 * @returns {{heats: Heat[], derivedOf(token: number): Derived, grids: MapGrid[]}}
 */
export function derivations(run, tokens, s, seen) {
  checkTogether(s);
  const grids = gridsOf(run, s), derived = new Map();
  /** @type {(token: number) => Derived} */
  const derivedOf = token => {
    if (!derived.has(token)) derived.set(token, derive(run, token, s, grids, seen));
    return derived.get(token);
  };
  const how = {normalisation: s.normalisation, window: s.window, border: s.border, name: JSON.stringify(s)};
  const maps = finish(run, tokens, token => derivedOf(token).cleaned, grids, how);
  const heats = maps.map((map, i) => {
    const {beta, auto} = derivedOf(tokens[i]);
    return {parts: asParts(map, grids), signed: false, norm: /** @type {[string, string]} */ (['plain', s.normalisation]), notes: {beta, beta_auto: auto}};
  });
  return {heats, derivedOf, grids};
}

/** @type {(s: Settings) => void} */
function checkTogether(s) {
  const {fuse_at, factor, scales, scale_weights, fuse} = s;
  const weights = scale_weights ?? [];
  if (fuse_at === 'pixels' && factor !== 1) throw new Refusal('factor divides cells of the token grid; leave it at 1 with pixels');
  if (weights.length && weights.length !== scales.length) {
    throw new Refusal(`scale_weights takes one weight for each scale, in the order of scales: got ${weights.length} for ${scales.length} scales`);
  }
  if (fuse === 'max' && new Set(weights).size > 1) {
    throw new Refusal("scale_weights are those of the mean of Eq. 5; choose fuse 'mean', or leave the weights alike");
  }
}

/**
 * Return the grids on which maps are fused and cleaned.
 * @param {RunEvidence} run
 * @param {Settings} s
 * @returns {MapGrid[]}
 */
export function gridsOf(run, {fuse_at, factor}) {
  return baseViews(run).map(view => fuse_at === 'pixels' ? atPixels(view) : divided(view, factor));
}

/**
 * Return Eq. 5 to 9 for a token, before normalisation and filter.
 * @param {RunEvidence} run
 * @param {number} token
 * @param {Settings} s
 * @param {MapGrid[]} grids
 * @param {(token: number, j: number, map: Float32Array) => void} [seen] see `derivations`
 * @returns {Derived}
 */
export function derive(run, token, s, grids, seen = () => {}) {
  const earlierWeights = predecessorWeights(run, token, s), fused = fusing(run, s, grids);
  const own = fused.word(run.tokens[token]), base = fused.base();
  const weights = Float64Array.of(...earlierWeights, ...base ? [1] : []);  // r_0 = 0
  /** @type {(j: number) => Float32Array} */
  const mapAt = j => {
    const map = base && j === run.tokens.length ? base : fused.word(run.tokens[j]);
    seen(token, j, map);
    return map;
  };
  const interference = weightedMean(weights, mapAt, cellCount(grids)), best = bestBeta(own, interference);
  const auto = s.beta_range === 'nonnegative' ? Math.max(0, best) : best, beta = s.beta ?? auto;
  return {own, weights, interference, cleaned: subtract(own, interference, beta), beta, auto};
}

/**
 * Return the weight of each token before another (Eq. 7), 0 for those that do not count.
 * @param {RunEvidence} run
 * @param {number} token
 * @param {Settings} s
 * @returns {Float64Array} (T,)
 */
export function predecessorWeights(run, token, s) {
  if (s.weights === 'none') return new Float64Array(run.tokens.length);
  const same = repeated(run, token, s.repeats), allowed = earlier(run, token, s.predecessors).map((counts, j) => counts && !same[j]);
  if (s.weights === 'uniform') return Float64Array.from(allowed, Number);
  if (s.weights === 'score') return Float64Array.from(scoreWeights(run, token, allowed));
  return relevance(run, token, allowed, s).map(r => Number.isNaN(r) ? 0 : 1 - r);
}

/**
 * Return r_j of Eq. 7 for each token; NaN where `allowed` has no use for it or there is no state.
 * @param {RunEvidence} run
 * @param {number} token
 * @param {boolean[]} allowed
 * @param {Settings} s
 * @returns {Float64Array} (T,)
 */
export function relevance(run, token, allowed, s) {
  if (s.k > run.depth) throw new Refusal(`k = ${s.k} is too large: this run holds lists of ${run.depth}`);
  const own = stateRow(run, token, s.state), r = new Float64Array(allowed.length).fill(NaN);
  if (own < 0) throw new Refusal(`the run holds no own state of token ${token}; choose state 'predicting'`);
  /** @type {(row: number) => Uint16Array | Int32Array} */
  const list = row => run.guesses.subarray(row * run.depth, row * run.depth + s.k);
  const used = allowed.flatMap((counts, j) => counts && stateRow(run, j, s.state) >= 0 ? [j] : []);
  rbo(list(own), used.map(j => list(stateRow(run, j, s.state))), s.p, s.rbo).forEach((overlap, i) => { r[used[i]] = overlap; });
  return r;
}

// The row of guesses that stands for a token (Eq. 6), -1 if its state was not recorded.
/** @type {(run: RunEvidence, token: number, state: string) => number} */
function stateRow({positions}, token, state) {
  if (state !== 'own') return token;
  const gap = token + 1 < positions.length && positions[token + 1] !== positions[token] + 1;
  return gap ? -1 : token + 1;
}

/**
 * Return the list of guesses at the state that stands for a token.
 * @param {RunEvidence} run
 * @param {number} token
 * @param {Settings} s
 * @returns {Uint16Array | Int32Array} (k,) numbers of guesses, best first
 */
export function guessesAt(run, token, s) {
  const row = stateRow(run, token, s.state), at = row * run.depth;
  if (row < 0 || !run.guesses[at]) throw new Refusal(`the run has no top-k list for token ${token} (state '${s.state}')`);
  return run.guesses.subarray(at, at + s.k);
}

/**
 * Return what makes A of Eq. 5 for words and A_0. Maps are kept with the run, those of the last settings at each step.
 * @param {RunEvidence} run
 * @param {Settings} s
 * @param {MapGrid[]} grids
 * @returns {{word(number: number): Float32Array, base(): Float32Array | null,
 *   readings(scale: RunScale, word: number): Float32Array[][]}} `readings` are the maps of a word by each view of a scale, in a list of images
 */
export function fusing(run, s, grids) {
  /** @type {RunScale[]} */
  const scales = s.scales.map(alpha => scaleOf(run, alpha));
  const cells = cellCount(grids), keeps = cells <= MOST_KEPT;
  const where = [s.fuse_at, s.factor, s.resize, s.clip === 'per_scale'].join();
  /** @type {Keep<Float32Array[][]>} */
  const placed = keptMaps(run, keeps, 'placed', where);
  /** @type {Keep<Float32Array>} */
  const fused = keptMaps(run, keeps, 'fused', JSON.stringify([where, s.clip, s.fuse, s.scales, s.scale_weights]));
  /** @type {(map: Float32Array) => Float32Array} */
  const clipped = map => s.clip === 'fused' ? map.map(value => Math.max(0, value)) : map;

  /** @type {(scale: RunScale, word: number) => Float32Array[][]} */
  const readings = (scale, word) => placed(`${scale.alpha} ${word}`, () => run.images.map((_, image) =>
    scale.views.filter(view => view.image === image).map(view => {
      const logits = viewLogits(scale, view, word);
      return resamplerOf(run, view, grids[image], [where, scale.alpha, view.at, image], s.resize)(s.clip === 'per_scale' ? logits.map(value => Math.max(0, value)) : logits);
    })));

  // One map from those of the words at each scale; every view counts as a reading of its own.
  /** @type {(words: number[]) => Float32Array} */
  function fuse(words) {
    const of = scales.map((scale, i) => readings(scale, words[i]));
    return clipped(join(run.images.map((_, image) => {
      const views = of.flatMap(images => images[image]);
      const weights = of.flatMap((images, i) => images[image].map(() => Math.fround((s.scale_weights ?? [])[i] ?? 1)));
      return s.fuse === 'max' ? largestOf(views) : meanOf(views, weights);
    })));
  }

  /** @type {(number: number) => Float32Array} */
  const word = number => fused(String(number), () => fuse(scales.map(() => number)));
  function base() {
    if (s.base === 'off' || s.weights === 'none') return null;
    if (s.base === 'scale1') return word(run.scales[0].base);
    if (s.base === 'per_scale') return fused('base', () => fuse(scales.map(scale => scale.base)));
    const {least} = run.scales[0];
    if (least === null) {
      throw new Refusal('the run was recorded before A_0 of the whole vocabulary was kept; record it again, or choose another base');
    }
    return fused('raw', () => clipped(join(readings(run.scales[0], least).map(views => meanOf(views, views.map(() => 1))))));
  }
  return {word, base, readings};
}

/**
 * A function that makes a value once; the values of other settings are dropped.
 * @template T
 * @param {RunEvidence} run
 * @param {boolean} keeps
 * @param {string} step
 * @param {string | number} settings
 * @returns {Keep<T>}
 */
function keptMaps(run, keeps, step, settings) {
  if (!keeps) return (_, make) => make();
  if (run.kept.get(step)?.settings !== settings) run.kept.set(step, {settings, maps: new Map()});
  const {maps} = run.kept.get(step);
  return (key, make) => {
    if (!maps.has(key)) maps.set(key, make());
    return maps.get(key);
  };
}

/** @type {(run: RunEvidence, view: RunView, grid: MapGrid, key: (string | number)[], mode: string) => (values: ArrayLike<number>) => Float32Array} */
function resamplerOf(run, view, grid, key, mode) {
  return keptMaps(run, true, 'resamplers', key[0])(key.join(), () => resampler(view, grid, mode));
}

/**
 * Return the mean of maps under weights.
 * @param {Float32Array[]} views
 * @param {number[]} weights
 * @returns {Float32Array}
 */
export function meanOf(views, weights) {
  const total = weights.reduce((all, weight) => all + weight, 0), out = new Float32Array(views[0].length);
  const shares = weights.map(weight => Math.fround(weight / total));
  for (let cell = 0; cell < out.length; cell++) {
    let value = 0;
    for (let i = 0; i < views.length; i++) value += shares[i] * views[i][cell];
    out[cell] = value;
  }
  return out;
}

/**
 * Return the largest value of maps at each cell.
 * @param {Float32Array[]} views
 * @returns {Float32Array}
 */
export function largestOf(views) {
  return views[0].map((_, cell) => views.reduce((most, view) => Math.max(most, view[cell]), -Infinity));
}
