// The logit lens on a run, and who came before whom. Twin of explainer/methods/lens.py.
import {join} from './geometry.js';
import {ANSWER, TEMPLATE, scaleOf, viewLogits} from './run.js';

/** @type {Record<string, (role: number) => boolean>} */
const COUNTS = {content: role => role !== TEMPLATE, all: () => true, answer: role => role === ANSWER};

/**
 * Return the base view of each image at a scale.
 * @param {RunEvidence} run
 * @param {number} alpha
 * @returns {RunView[]}
 */
export function baseViews(run, alpha = 1) {
  const {views} = scaleOf(run, alpha);
  return run.images.flatMap((_, image) => views.find(view => view.image === image) ?? []);
}

/**
 * Return the logits of a word over the base views of all images.
 * @param {RunEvidence} run
 * @param {number} word
 * @param {number} alpha
 * @returns {Float32Array}
 */
export function lensMap(run, word, alpha = 1) {
  const scale = scaleOf(run, alpha);
  return join(baseViews(run, alpha).map(view => viewLogits(scale, view, word)));
}

/**
 * Return the scores of a word at the states that predict each token, at least 0.
 * @param {RunEvidence} run
 * @param {number} word
 * @returns {Float32Array} (T,)
 */
export function textScores(run, word) {
  return textLogits(run, word).map(score => Math.max(0, score));
}

/**
 * Return the logits of a word at the states that predict each token.
 * @param {RunEvidence} run
 * @param {number} word
 * @returns {Float32Array} (T,)
 */
export function textLogits(run, word) {
  const t = run.tokens.length;
  return run.scores.slice(word * (t + 1), word * (t + 1) + t);
}

/**
 * Return how strongly a token's word scores at each token that is allowed, relative to the largest.
 * @param {RunEvidence} run
 * @param {number} token
 * @param {boolean[]} allowed
 * @returns {Float32Array} (T,) in [0, 1]
 */
export function scoreWeights(run, token, allowed) {
  const scores = textScores(run, run.tokens[token]).map((score, j) => allowed[j] ? score : 0);
  const peak = scores.reduce((most, score) => Math.max(most, score), 0);
  return scores.map(score => score / (peak > 0 ? peak : 1));
}

/**
 * Tell which tokens stand before a token and count for it.
 * @param {RunEvidence} run
 * @param {number} token
 * @param {string} which content, all or answer
 * @returns {boolean[]} (T,)
 */
export function earlier(run, token, which = 'content') {
  const counts = COUNTS[which];
  return Array.from(run.roles, (role, j) => j < token && counts(role) && run.guesses[j * run.depth] > 0);
}

/**
 * Tell which tokens say the same as a token.
 * @param {RunEvidence} run
 * @param {number} token
 * @param {string} repeats drop, drop_word or keep
 * @returns {boolean[]} (T,)
 */
export function repeated(run, token, repeats = 'drop') {
  const {tokens, tokenFolds: folds} = run, byWord = repeats === 'drop_word';
  return Array.from(tokens, (word, j) => repeats !== 'keep' &&
    (word === tokens[token] || (byWord && folds[j] === folds[token] && folds[j] !== 0)));
}

/**
 * Return the lens of a word at scale 1, clipped at 0; kept with the run.
 * @param {RunEvidence} run
 * @param {number} word
 * @returns {Float32Array}
 */
export function positiveMap(run, word) {
  if (!run.kept.has('positive')) run.kept.set('positive', new Map());
  const maps = run.kept.get('positive');
  if (!maps.has(word)) maps.set(word, lensMap(run, word).map(value => Math.max(0, value)));
  return maps.get(word);
}
