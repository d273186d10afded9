// What is said of a word beside its maps. Twin of explainer/web/map_entry.py.
import {fill} from './dom.js';

/**
 * Return a probability in words; '' if it is not known.
 * @param {number | null} chance
 * @returns {string}
 */
function share(chance) {
  if (chance === null) return '';
  return chance < .001 ? '< 0.1 %' : `${(100 * chance).toFixed(1)} %`;
}

/**
 * Return what people call a word.
 * @param {string[]} texts of its pieces, with their leading spaces
 * @returns {string}
 */
export function textOf(texts) { return texts.join('').replace(/^ /, '') || '∅'; }

/**
 * Return what people call a subject.
 * @param {SubjectWord[]} subject its word, or both words of a contrast
 * @param {ComputedWords} words
 * @returns {string}
 */
export function titleOf(subject, words) {
  const [plus, minus] = subject.map(word => textOf(word.texts));
  return minus === undefined ? plus : fill(words.against, {plus, minus});
}

/**
 * Return the line beside a word: probability, place, model, time, layer.
 * @param {SubjectWord[]} subject its word, or both words of a contrast
 * @param {number | undefined} layer that is looked at
 * @param {BarChip[]} chips
 * @param {AnswerFacts} facts
 * @param {ComputedWords} words
 * @returns {string}
 */
export function lineOf(subject, layer, chips, facts, words) {
  const depth = layer === undefined || layer === facts.layer ? '' : fill(words.atLayer, {layer, all: facts.layer});
  return [chanceOf(subject, words), ...whereabouts(subject[0], chips, words), ...facts.about, depth].filter(Boolean).join('  ·  ');
}

/** @type {(subject: SubjectWord[], words: ComputedWords) => string} */
function chanceOf(subject, words) {
  const [plus, minus] = subject.map(word => share(word.probability));
  if (minus === undefined) return plus && fill(words.chance, {chance: plus});
  return plus && minus && fill(words.chances, {plus, minus});
}

// Where a word stands, if not in the answer, or would stand, and how it is spelled.
/** @type {(word: SubjectWord, chips: BarChip[], words: ComputedWords) => string[]} */
function whereabouts({tokens, texts, was}, chips, words) {
  const place = words.places[chips.find(chip => chip.tokens.includes(tokens[0]))?.role ?? 'answer'];
  if (was === undefined) return [place];
  return [place, fill(words.inPlace, {word: textOf([was])}), texts.join('').startsWith(' ') ? words.spaced : words.unspaced];
}
