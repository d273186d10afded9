// TAM: subtract earlier words by how strongly this word scores at them. Twin of
// explainer/methods/tam.py.
import {asParts, finish} from './display.js';
import {cellCount} from './geometry.js';
import {bestBeta, subtract, weightedMean} from './interference.js';
import {baseViews, earlier, positiveMap, repeated, scoreWeights} from './lens.js';
import {Refusal} from './run.js';
import {tamPublished} from './tam_published.js';

/**
 * Return one map on the token grids of scale 1 for each token.
 * @param {RunEvidence} run
 * @param {number[]} tokens
 * @param {Settings} settings
 * @returns {Heat[]}
 */
export function tam(run, tokens, {mode, normalisation, window, border}) {
  if (mode === 'published') {
    if (normalisation !== 'joint') throw new Refusal('TAM as published has the joint normalisation only, and no contrasts');
    return tamPublished(run, tokens, window);
  }
  const grids = baseViews(run), cleaned = new Map();
  /** @type {(token: number) => {map: Float32Array, beta: number}} */
  const cleanedOf = token => {
    if (!cleaned.has(token)) cleaned.set(token, clean(run, token, grids));
    return cleaned.get(token);
  };
  const maps = finish(run, tokens, token => cleanedOf(token).map, grids, {normalisation, window, border, name: `tam ${normalisation} ${window} ${border}`});
  return maps.map((map, i) => {
    const {beta} = cleanedOf(tokens[i]);
    return {parts: asParts(map, grids), signed: false, norm: ['plain', normalisation], notes: {beta, beta_auto: beta}};
  });
}

/** @type {(run: RunEvidence, token: number, grids: MapGrid[]) => {map: Float32Array, beta: number}} */
function clean(run, token, grids) {
  /** @type {(word: number) => Float32Array} */
  const positive = word => positiveMap(run, word);
  const same = repeated(run, token);
  const allowed = earlier(run, token).map((counts, j) => counts && !same[j]);
  const map = positive(run.tokens[token]), weights = scoreWeights(run, token, allowed);
  const interference = weightedMean(weights, j => positive(run.tokens[j]), cellCount(grids)), beta = bestBeta(map, interference);
  return {map: subtract(map, interference, beta), beta};
}
