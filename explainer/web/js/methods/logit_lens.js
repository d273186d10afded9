// The raw logit lens. Twin of explainer/methods/logit_lens.py.
import {asParts, finish, finishSigned} from './display.js';
import {baseViews, lensMap} from './lens.js';

/**
 * Return the word's score at the visual tokens of one scale for each token (Eq. 2).
 * @param {RunEvidence} run
 * @param {number[]} tokens
 * @param {Settings} settings
 * @returns {Heat[]}
 */
export function logitLens(run, tokens, {alpha, show, normalisation}) {
  const grids = baseViews(run, alpha), signed = show === 'signed';
  /** @type {(token: number) => Float32Array} */
  const raw = token => lensMap(run, run.tokens[token], alpha);
  /** @type {(token: number) => Float32Array} */
  const positive = token => raw(token).map(value => Math.max(0, value));
  const how = {normalisation, name: `lens ${alpha} ${show}`};
  const maps = signed ? finishSigned(run, tokens, raw, how) : finish(run, tokens, positive, grids, how);
  return maps.map(map => ({parts: asParts(map, grids), signed, norm: [signed ? 'signed' : 'plain', normalisation], notes: {}}));
}
