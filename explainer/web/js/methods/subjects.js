// What is explained: words of the run, words that it might have said, and one word against another.
// Twin of explainer/methods/subjects.py and of `combine_maps` of explainer/methods/__init__.py.
import {answerPeak, largest, RAW} from './display.js';
import {earlier, textLogits} from './lens.js';
import {explain} from './registry.js';
import {Refusal, saying, wordOf} from './run.js';

/**
 * Return the map of a subject.
 * @param {MethodSpec} method
 * @param {RunEvidence} run
 * @param {ExplainedWord | WordContrast} subject
 * @param {Settings} settings all knobs of the method
 * @returns {Heat}
 */
export function explainSubject(method, run, subject, settings) {
  for (const word of 'plus' in subject ? [subject.plus, subject.minus] : [subject]) check(word, settings);
  if ('plus' in subject) return contrast(method, run, subject, settings);
  return combine(mapsOf(method, run, subject, settings), subject.by ?? 'max');
}

/**
 * Refuse a word that has no map at these settings.
 * @param {ExplainedWord} word
 * @param {Settings} settings
 * @returns {void}
 */
export function check(word, settings) {
  if (!('tokens' in word ? word.tokens : word.ids).length) throw new Refusal('a subject needs at least one token');
  if ('at' in word && settings.state === 'own') {
    throw new Refusal("a word that was not said has no state of its own; choose state 'predicting'");
  }
}

/**
 * Return the map of each piece of a word.
 * @param {MethodSpec} method
 * @param {RunEvidence} run
 * @param {ExplainedWord} word
 * @param {Settings} settings
 * @returns {Heat[]}
 */
export function mapsOf(method, run, word, settings) {
  if ('tokens' in word) return explain(method, run, word.tokens, settings);
  return piecesOf(run, word).map(([said, token]) => explain(method, said, [token], settings)[0]);
}

/**
 * Return the pieces of a word: the run that says each, and the token where it stands.
 * @param {RunEvidence} run
 * @param {ExplainedWord} word
 * @returns {[RunEvidence, number][]}
 */
export function piecesOf(run, word) {
  if ('tokens' in word) return word.tokens.map(token => [run, token]);
  return word.ids.map(id => [saying(run, word.at, wordOf(run, id)), word.at]);
}

/**
 * Join the maps of several tokens: the largest value, the mean, or the first map.
 * @param {Heat[]} heats
 * @param {string} by
 * @returns {Heat}
 */
export function combine(heats, by) {
  const [first] = heats;
  if (by === 'first' || heats.length === 1) return first;
  const parts = first.parts.map((part, i) => ({
    ...part,
    values: part.values.map((_, cell) => joined(heats.map(heat => heat.parts[i].values[cell]), by)),
  }));
  const notes = Object.fromEntries(Object.keys(first.notes).map(name => [name, joined(heats.map(heat => heat.notes[name]), 'mean')]));
  return {...first, parts, notes};
}

/** @type {(values: number[], by: string) => number} */
function joined(values, by) {
  return by === 'max' ? largest(values) : values.reduce((all, value) => all + value, 0) / values.length;
}

/** @type {(method: MethodSpec, run: RunEvidence, subject: WordContrast, settings: Settings) => Heat} */
function contrast(method, run, {plus, minus}, settings) {
  /** @type {Settings} */
  const raw = {...settings, normalisation: RAW, ...'show' in settings ? {show: 'signed'} : {}};
  const [one, other] = [plus, minus].map(word => combine(mapsOf(method, run, word, raw), word.by ?? 'max'));
  const parts = one.parts.map((part, i) => ({...part, values: part.values.map((value, cell) => value - other.parts[i].values[cell])}));
  let high = size(parts);
  if (settings.normalisation === 'joint') high = Math.max(high, textSize(run, plus, minus));
  else if (settings.normalisation === 'answer') {
    high = answerPeak(run, `contrast ${method.name} ${JSON.stringify(raw)}`, token => sizes(explain(method, run, [token], raw)[0].parts));
  }
  const scaled = parts.map(part => ({...part, values: part.values.map(value => Math.min(1, Math.max(-1, value / (high || 1))))}));
  return {parts: scaled, signed: true, norm: ['contrast', settings.normalisation], notes: {}};
}

/** @type {(parts: HeatPart[]) => number} */
const size = parts => Math.max(...parts.map(part => largest(part.values.map(Math.abs))));
/** @type {(parts: HeatPart[]) => Float32Array} */
const sizes = parts => Float32Array.from(parts, part => size([part]));

// The largest difference of both words' logits in the content text before both.
/** @type {(run: RunEvidence, plus: ExplainedWord, minus: ExplainedWord) => number} */
function textSize(run, plus, minus) {
  const counts = earlier(run, Math.min(...[plus, minus].flatMap(word => 'tokens' in word ? word.tokens : [word.at])));
  const [one, other] = [plus, minus].map(word => joinedLogits(run, word));
  return one.reduce((most, value, j) => counts[j] ? Math.max(most, Math.abs(value - other[j])) : most, 0);
}

/** @type {(run: RunEvidence, word: ExplainedWord) => Float32Array} */
function joinedLogits(run, word) {
  const words = 'tokens' in word ? word.tokens.map(token => run.tokens[token]) : word.ids.map(id => wordOf(run, id));
  const logits = words.map(number => textLogits(run, number)), by = word.by ?? 'max';
  return by === 'first' ? logits[0] : logits[0].map((_, j) => joined(logits.map(row => row[j]), by));
}
