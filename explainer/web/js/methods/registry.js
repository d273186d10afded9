// All methods that are computed in the page, by the names that Python declares.
import {logitLens} from './logit_lens.js';
import {mseaArc} from './msea_arc.js';
import {tam} from './tam.js';

/**
 * The functions of the methods; the ablations are MSEA + ARC with the knobs that their declaration holds.
 * @type {Record<string, ExplainTokens>}
 */
export const METHODS = {msea_arc: mseaArc, tam, logit_lens: logitLens, msea: mseaArc, arc: mseaArc, mean_mitigation: mseaArc};

/**
 * Return one map for each token.
 * @param {MethodSpec} method
 * @param {RunEvidence} run
 * @param {number[]} tokens
 * @param {Settings} settings all knobs of the method
 * @returns {Heat[]}
 */
export function explain(method, run, tokens, settings) {
  return METHODS[method.name](run, tokens, {...settings, ...method.held});
}
