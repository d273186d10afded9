// TAM exactly as its reference code computes it, slips of the index included. Twin of
// explainer/methods/tam_published.py, which lists them.
import {asParts, jointRange, stretch} from './display.js';
import {rankGaussian, zeroDeviation} from './filters.js';
import {cellCount, join, shapeOf, split} from './geometry.js';
import {bestBeta, subtract} from './interference.js';
import {baseViews, positiveMap} from './lens.js';
import {ANSWER, indices, PROMPT, Refusal} from './run.js';

/**
 * Return what the reference code draws for each prompt or answer token.
 * @param {RunEvidence} run
 * @param {number[]} tokens
 * @param {number} window
 * @returns {Heat[]}
 */
export function tamPublished(run, tokens, window) {
  const prompt = indices(run, PROMPT), answer = indices(run, ANSWER), walk = [...prompt, ...answer];
  const outside = tokens.find(token => !walk.includes(token));
  if (outside !== undefined) throw new Refusal(`TAM as published has no map for template tokens such as ${outside}`);
  const classes = classesOf(run, prompt, answer), states = [...prompt.map(token => ownState(run, token)), ...answer];
  const texts = compared(run, walk), grids = baseViews(run), width = run.tokens.length + 1;
  return tokens.map(token => {
    const c = walk.indexOf(token), map = positiveMap(run, classes[c]);
    const scores = Float32Array.from(states, state => Math.max(0, run.scores[classes[c] * width + state]));
    const weights = scores.map((score, j) => j < c && texts[j] !== texts[c] ? score : 0);
    const interference = meanOf(run, weights, classes, cellCount(grids)), beta = bestBeta(map, interference);
    const cleaned = subtract(map, interference, beta), most = Math.max(c, prompt.length);
    const stretched = stretch(cleaned, ...jointRange(cleaned, scores, walk.map((_, j) => j < most)));
    const cut = filtered(stretched, grids, window).map(value => Math.floor(Math.fround(255 * value)) / 255);
    return {parts: asParts(cut, grids), signed: false, norm: ['published', 'joint'], notes: {beta, beta_auto: beta}};
  });
}

// The sum of weights has 1e-8 added, as the code has it.
/** @type {(run: RunEvidence, weights: Float32Array, classes: number[], cells: number) => Float64Array} */
function meanOf(run, weights, classes, cells) {
  const total = weights.reduce((all, weight) => all + weight, 0) + 1e-8, out = new Float64Array(cells);
  weights.forEach((weight, j) => {
    if (!weight) return;
    const map = positiveMap(run, classes[j]);
    for (let i = 0; i < cells; i++) out[i] += weight / total * map[i];
  });
  return out;
}

// The word that the code gives to each entry.
/** @type {(run: RunEvidence, prompt: number[], answer: number[]) => number[]} */
function classesOf(run, prompt, answer) {
  const classes = [...prompt, ...answer].map(token => run.tokens[token]);
  if (prompt.length) {
    ownState(run, prompt[0]);
    if (run.firstGuess === null) throw new Refusal('the run holds no unembedding row for the first guess of TAM as published');
    classes[0] = run.firstGuess;
  }
  if (answer.length && answer[0] > 0) classes[prompt.length] = run.tokens[answer[0] - 1];
  return classes;
}

// What the code compares to find repeats: texts, or ids of a character that is split over tokens.
/** @type {(run: RunEvidence, walk: number[]) => string[]} */
function compared(run, walk) {
  const texts = run.tokenTexts;
  return walk.map(token => texts[token] === 0 || texts[token + 1] === 0 ? `id ${run.tokens[token]}` : `text ${texts[token]}`);
}

/** @type {(run: RunEvidence, token: number) => number} */
function ownState(run, token) {
  const {positions} = run, after = token + 1 < positions.length ? positions[token + 1] : positions[token] + 1;
  if (after !== positions[token] + 1) throw new Refusal("TAM as published needs the state at each prompt token's own position");
  return token + 1;
}

/** @type {(cells: Float32Array, grids: MapGrid[], window: number) => Float32Array} */
function filtered(cells, grids, window) {
  if (window === 1) return cells;
  return join(split(cells, grids).map((part, i) => {
    const shape = shapeOf(grids[i]), flat = zeroDeviation(part, shape, window);
    return rankGaussian(part, shape, window, 'mirror').map((value, cell) => flat[cell] ? 0 : value);
  }));
}
