// A long answer as folds, one for each sentence. The one of the chosen word opens by itself.
import {make} from './dom.js';

const MANY = 150, LONGEST = 80;  // chips that are shown without folds; chips of a sentence without an end
const CLOSES = /^["'”’»)\]]+$/u, ENDS = /[.!?…。！？⏎]["'”’»)\]]*$/u;

/**
 * Return the chips of a text, folded by sentence where there are many.
 * @param {BarChip[]} items
 * @param {AnswerFacts | null} facts with the texts of their tokens
 * @param {(item: BarChip) => HTMLElement} chipOf
 * @returns {HTMLElement[]}
 */
export function bySentence(items, facts, chipOf) {
  if (items.length <= MANY) return items.map(chipOf);
  return sentences(items).map(one => {
    const details = make('details', 'sl-sentence');
    const text = one.map(item => facts ? item.tokens.map(token => facts.texts[token]).join('') : item.text).join('');
    const summary = make('summary', '', text.trim());
    summary.dir = 'auto';
    details.append(summary, ...one.map(chipOf));
    return details;
  });
}

/**
 * Cut a text after the marks that end sentences, and after line breaks.
 * @param {BarChip[]} items
 * @returns {BarChip[][]}
 */
export function sentences(items) {
  /** @type {BarChip[][]} */
  const found = [];
  let ended = true;
  for (const item of items) {
    const closes = found.length > 0 && CLOSES.test(item.text);  // belongs to the sentence before it
    if (ended && !closes || found[found.length - 1].length >= LONGEST) found.push([]);
    found[found.length - 1].push(item);
    ended = ENDS.test(item.text) || ended && closes;
  }
  return found;
}
