// What is explained: words of the run, words that it might have said, and one word against another.
// Twin of explainer/methods/subjects.py and of `combine_maps` of explainer/methods/__init__.py.
import {answerTokens, largest, RAW} from './display.js';
import {earlier, textLogits} from './lens.js';
import {explain} from './registry.js';
import {Refusal, saying, wordOf} from './run.js';

/**
 * Return the map of a subject: {tokens, by}, {at, ids, by} or {plus, minus} of such.
 * @param {MethodSpec} method
 * @param {RunEvidence} run
 * @param {Explained} subject
 * @param {Settings} settings all knobs of the method
 * @returns {Heat}
 */
export function explainSubject(method, run, subject, settings) {
  for (const word of subject.plus ? [subject.plus, subject.minus] : [subject]) check(word, settings);
  if (subject.plus) return contrast(method, run, subject, settings);
  return combine(mapsOf(method, run, subject, settings), subject.by ?? 'max');
}

function check(word, settings) {
  if (!(word.tokens ?? /** @type {number[]} */ (word.ids)).length) throw new Refusal('a subject needs at least one token');
  if (word.at !== undefined && settings.state === 'own') {
    throw new Refusal("a word that was not said has no state of its own; choose state 'predicting'");
  }
}

const idsOf = word => /** @type {number[]} */ (word.ids);

function mapsOf(method, run, word, settings) {
  if (word.tokens) return explain(method, run, word.tokens, settings);
  return idsOf(word).map(id => explain(method, saying(run, word.at, wordOf(run, id)), [word.at], settings)[0]);
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

function joined(values, by) {
  return by === 'max' ? largest(values) : values.reduce((all, value) => all + value, 0) / values.length;
}

/** @type {(method: MethodSpec, run: RunEvidence, subject: Explained, settings: Settings) => Heat} */
function contrast(method, run, {plus, minus}, settings) {
  const raw = {...settings, normalisation: RAW, ...'show' in settings ? {show: 'signed'} : {}};
  const [one, other] = [plus, minus].map(word => combine(mapsOf(method, run, word, raw), word.by ?? 'max'));
  const parts = one.parts.map((part, i) => ({...part, values: part.values.map((value, cell) => value - other.parts[i].values[cell])}));
  let high = size(parts);
  if (settings.normalisation === 'joint') high = Math.max(high, textSize(run, plus, minus));
  else if (settings.normalisation === 'answer') high = Math.max(...explain(method, run, answerTokens(run), raw).map(heat => size(heat.parts)));
  const scaled = parts.map(part => ({...part, values: part.values.map(value => Math.min(1, Math.max(-1, value / (high || 1))))}));
  return {parts: scaled, signed: true, norm: ['contrast', settings.normalisation], notes: {}};
}

const size = parts => Math.max(...parts.map(part => largest(part.values.map(Math.abs))));

// The largest difference of both words' logits in the content text before both.
function textSize(run, plus, minus) {
  const counts = earlier(run, Math.min(...[plus, minus].flatMap(word => word.tokens ?? [word.at])));
  const [one, other] = [plus, minus].map(word => joinedLogits(run, word));
  return one.reduce((most, value, j) => counts[j] ? Math.max(most, Math.abs(value - other[j])) : most, 0);
}

function joinedLogits(run, word) {
  const words = word.tokens ? word.tokens.map(token => run.tokens[token]) : idsOf(word).map(id => wordOf(run, id));
  const logits = words.map(number => textLogits(run, number)), by = word.by ?? 'max';
  return by === 'first' ? logits[0] : logits[0].map((_, j) => joined(logits.map(row => row[j]), by));
}
