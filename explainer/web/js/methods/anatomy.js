// Every intermediate map of MSEA + ARC for one token, in the unit of the logits. Twin of
// explainer/methods/anatomy.py.
import {asParts} from './display.js';
import {join} from './geometry.js';
import {earlier, repeated} from './lens.js';
import {derivations, fusing, guessesAt, largestOf, meanOf, relevance} from './msea_arc.js';
import {gains, rbo} from './rbo.js';
import {scaleOf} from './run.js';

/**
 * Return how the map of a token came about.
 * @param {RunEvidence} run
 * @param {number} token
 * @param {Settings} s all knobs of MSEA + ARC
 * @returns {Anatomy}
 */
export function anatomy(run, token, s) {
  const masses = new Float64Array(run.tokens.length + 1);
  /** @type {(of: number, j: number, map: Float32Array) => void} */
  const weigh = (of, j, map) => { if (of === token) masses[j] = map.reduce((all, value) => all + Math.abs(value), 0); };
  const {heats: [heat], derivedOf, grids} = derivations(run, [token], s, weigh), derived = derivedOf(token);
  /** @type {(cells: ArrayLike<number>) => HeatPart[]} */
  const parts = cells => asParts(Float32Array.from(cells), grids);
  return {
    token,
    scales: scaleMaps(run, token, s, grids),
    fused: parts(derived.own),
    interference: parts(derived.interference),
    subtracted: parts(derived.interference.map(value => derived.beta * value)),
    before: parts(derived.cleaned),
    heat,
    beta: derived.beta,
    betaAuto: derived.auto,
    context: contextOf(run, token, s, derived, masses),
    signed: s.clip === 'none',
  };
}

/**
 * Return the largest value, of either sign, in any of these maps.
 * @param {HeatPart[][]} maps
 * @returns {number}
 */
export function peak(...maps) {
  return maps.flat().reduce((most, {values}) => values.reduce((a, b) => Math.max(a, Math.abs(b)), most), 0);
}

/** @type {(run: RunEvidence, token: number, s: Settings, grids: MapGrid[]) => ScaleMap[]} */
function scaleMaps(run, token, s, grids) {
  const {readings} = fusing(run, s, grids), isMean = s.fuse === 'mean';
  /** @type {Float32Array[][][]} by scale and image, each of several views */
  const all = s.scales.map((/** @type {number} */ alpha) => readings(scaleOf(run, alpha), run.tokens[token]));
  const weights = all.map((images, i) => images.map(views => ((s.scale_weights ?? [])[i] ?? 1) * views.length));
  const totals = run.images.map((_, image) => weights.reduce((total, images) => total + images[image], 0));
  return all.map((images, i) => ({
    alpha: s.scales[i],
    parts: asParts(join(images.map(views => isMean ? meanOf(views, views.map(() => 1)) : largestOf(views))), grids),
    shares: isMean ? weights[i].map((weight, image) => weight / totals[image]) : null,
  }));
}

// The contributions of the tokens before one: a token's term counts by the sum of its absolute values.
/** @type {(run: RunEvidence, token: number, s: Settings, derived: Derived, masses: Float64Array) => StepContext} */
function contextOf(run, token, s, derived, masses) {
  const count = run.tokens.length, total = derived.weights.reduce((all, weight) => all + weight, 0) || 1;
  const weights = Float64Array.from(masses, (_, j) => (derived.weights[j] ?? 0) / total);
  const parts = weights.map((weight, j) => weight * masses[j]), all = parts.reduce((a, b) => a + b, 0);
  const shares = parts.map(part => derived.beta === 0 || !all ? 0 : part / all);
  const counted = earlier(run, token, s.predecessors), same = repeated(run, token, s.repeats);
  return {
    relevance: relevance(run, token, counted, s).slice(0, token),
    repeats: counted.slice(0, token).map((counts, j) => counts && same[j]),
    weights: weights.slice(0, token),
    shares: shares.slice(0, token),
    baseWeight: weights[count],
    baseShare: shares[count],
  };
}

/**
 * Return the number of the map that contributes most to a combination of several.
 * @param {Heat[]} heats
 * @param {string} by how they are joined
 * @returns {number}
 */
export function leading(heats, by) {
  if (by === 'first') return 0;
  const cells = heats.map(heat => join(heat.parts.map(part => part.values))), supplied = cells.map(() => 0);
  cells[0].forEach((_, cell) => {
    const largest = cells.reduce((best, map, i) => map[cell] > cells[best][cell] ? i : best, 0);
    supplied[largest] += cells[largest][cell];
  });
  return supplied.indexOf(Math.max(...supplied));
}

/**
 * Compare the lists of guesses of two tokens.
 * @param {RunEvidence} run
 * @param {number} first
 * @param {number} second
 * @param {Settings} s all knobs of MSEA + ARC
 * @returns {Overlap} lists of numbers, as `run.guesses` has them
 */
export function overlap(run, first, second, s) {
  const one = guessesAt(run, first, s), other = guessesAt(run, second, s), worth = gains(s.k, s.p, s.rbo);
  const places = new Map(Array.from(other, (guess, rank) => [guess, rank]));
  const shared = Array.from(one, (guess, rank) => ({guess, first: rank, second: places.get(guess) ?? -1})).filter(pair => pair.second >= 0)
    .map(pair => ({guess: pair.guess, first: pair.first + 1, second: pair.second + 1, gain: worth[Math.max(pair.first, pair.second)]}));
  return {first: [...one], second: [...other], shared, relevance: rbo(one, [other], s.p, s.rbo)[0]};
}
