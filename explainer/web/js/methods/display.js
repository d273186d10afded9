// From cleaned maps to numbers in [0, 1] or [-1, 1]: normalisation and the final filter. Twin of
// explainer/methods/display.py.
import {rankGaussian} from './filters.js';
import {join, placement, shapeOf, split} from './geometry.js';
import {earlier, textScores} from './lens.js';
import {ANSWER, indices, Refusal} from './run.js';
import {largestInSlices} from './slices.js';

export const RAW = 'raw';
const MOST_PEAKS = 8;
/** @type {WeakMap<RunEvidence, Map<string, {next: number, most: number}>>} */
const peaks = new WeakMap();

// The tokens whose largest value is 1.0 under normalisation "answer".
/** @type {(run: RunEvidence) => number[]} */
function answerTokens(run) {
  const answer = indices(run, ANSWER);
  if (!answer.length) throw new Refusal("normalisation 'answer' needs an answer, and this run holds none");
  return answer;
}

/**
 * Finish the maps of tokens.
 * @param {RunEvidence} run
 * @param {number[]} tokens
 * @param {(token: number) => Float32Array} mapOf the cleaned map of a token; asked for each of the answer, too,
 *   where the normalisation has to see them
 * @param {MapGrid[]} grids
 * @param {Finishing} how
 * @returns {Float32Array[]} in [0, 1]
 */
export function finish(run, tokens, mapOf, grids, {normalisation, window = 1, border = 'edge', name}) {
  /** @type {(map: Float32Array) => Float32Array} */
  const smooth = map => join(split(map, grids).map((part, i) => rankGaussian(part, shapeOf(grids[i]), window, border)));
  if (normalisation === 'joint') {
    return tokens.map(token => {
      const map = mapOf(token);
      return smooth(stretch(map, ...jointRange(map, textScores(run, run.tokens[token]), earlier(run, token))));
    });
  }
  /** @type {(token: number) => Float32Array} */
  const finished = token => smooth(mapOf(token));
  const maps = tokens.map(finished);
  if (normalisation === RAW) return maps;
  if (normalisation === 'token') return maps.map(map => stretch(map, least(map), largest(map)));
  const peak = answerPeak(run, name, finished);
  return maps.map(map => stretch(map, 0, peak).map(value => Math.min(1, value)));
}

/**
 * Divide signed maps of tokens so that 0 stays 0.
 * @param {RunEvidence} run
 * @param {number[]} tokens
 * @param {(token: number) => Float32Array} mapOf
 * @param {Finishing} how
 * @returns {Float32Array[]} in [-1, 1]
 */
export function finishSigned(run, tokens, mapOf, {normalisation, name}) {
  const maps = tokens.map(mapOf);
  /** @type {(map: Float32Array) => Float32Array} */
  const size = map => map.map(Math.abs);
  if (normalisation === RAW) return maps;
  const peak = normalisation === 'answer' ? answerPeak(run, name, token => size(mapOf(token))) : 0;
  return maps.map((map, i) => {
    let high = peak;
    if (normalisation === 'token') high = largest(size(map));
    else if (normalisation === 'joint') [, high] = jointRange(size(map), textScores(run, run.tokens[tokens[i]]), earlier(run, tokens[i]));
    return stretch(map, 0, high).map(value => Math.min(1, Math.max(-1, value)));
  });
}

/**
 * Return the largest value in the maps of the whole answer, kept for the next word at the same settings.
 * @param {RunEvidence} run
 * @param {string} name of the settings
 * @param {(token: number) => Float32Array} mapOf
 * @returns {number}
 */
export function answerPeak(run, name, mapOf) {
  const answer = answerTokens(run);
  const kept = peaks.get(run) ?? new Map();
  peaks.set(run, kept);
  if (!kept.has(name) && kept.size >= MOST_PEAKS) kept.clear();
  const known = kept.get(name) ?? {next: 0, most: -Infinity};
  kept.set(name, known);
  return largestInSlices(known, answer.length, i => largest(mapOf(answer[i])));
}

/**
 * Return the largest of numbers.
 * @param {ArrayLike<number>} values
 * @returns {number}
 */
export function largest(values) {
  let most = -Infinity;
  for (let i = 0; i < values.length; i++) most = Math.max(most, values[i]);
  return most;
}

/** @type {(values: Float32Array) => number} */
const least = values => -largest(values.map(value => -value));

/**
 * Return the least and the largest of a map and of the scores that count.
 * @param {Float32Array} map
 * @param {Float32Array} scores
 * @param {boolean[]} counts
 * @returns {[number, number]}
 */
export function jointRange(map, scores, counts) {
  const pool = scores.filter((_, j) => counts[j]);
  return [Math.min(least(map), least(pool)), Math.max(largest(map), largest(pool))];
}

/**
 * Return (map - low) / (high - low) in float32; zeros where the bounds meet.
 * @param {Float32Array} map
 * @param {number} low
 * @param {number} high
 * @returns {Float32Array}
 */
export function stretch(map, low, high) {
  const {fround} = Math, from = fround(low), span = fround(fround(high) - from);
  return map.map(value => span > 0 ? fround(value - from) / span : 0);
}

/**
 * Return the parts of a map.
 * @param {Float32Array} cells
 * @param {MapGrid[]} grids
 * @returns {HeatPart[]}
 */
export function asParts(cells, grids) {
  return split(cells, grids).map((values, i) => ({values, shape: shapeOf(grids[i]), placement: placement(grids[i])}));
}
