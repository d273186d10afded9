// A run as the evidence message describes it (docs/formats.md), and the values that methods read of it.

const VERSION = 2, STEPS = 32767, MOST_SAID = 16;
/** @type {Record<string, new (buffer: ArrayBuffer, begin: number, count: number) => any>} */
const TYPES = {uint8: Uint8Array, uint16: Uint16Array, int16: Int16Array, int32: Int32Array, float32: Float32Array};

export const TEMPLATE = 0;
export const PROMPT = 1;
export const ANSWER = 2;

/** What a method refuses, in words for the person who asked. */
export class Refusal extends Error {}

/**
 * Read an evidence message.
 * @param {ArrayBuffer} buffer
 * @returns {RunEvidence}
 */
export function readEvidence(buffer) {
  const {header, arrays, shapes} = unpack(buffer);
  return {
    images: header.images,
    scales: header.scales.map((one, i) => scale(one, shapes[`maps${i}`][1], i, arrays)),
    firstGuess: header.first_guess,
    ids: arrays.ids,
    tokens: arrays.tokens,
    roles: arrays.roles,
    positions: arrays.positions,
    tokenTexts: arrays.token_texts,
    wordTexts: arrays.word_texts,
    tokenFolds: arrays.token_folds,
    wordFolds: arrays.word_folds,
    guesses: arrays.guesses,
    depth: shapes.guesses[1],
    guessTexts: header.guess_texts,
    scores: arrays.scores,
    kept: new Map(),
    said: new Map(),
  };
}

/**
 * Read the message of one more word.
 * @param {ArrayBuffer} buffer
 * @returns {MoreWord}
 */
export function readWord(buffer) {
  const {header, arrays} = unpack(buffer);
  const maps = header.alphas.map((alpha, i) => ({alpha, maps: arrays[`maps${i}`], up: arrays[`up${i}`], down: arrays[`down${i}`]}));
  return {
    ids: arrays.ids, texts: header.texts, probability: header.probability, maps, scores: arrays.scores,
    wordTexts: arrays.word_texts, wordFolds: arrays.word_folds,
  };
}

// The header of a message, its arrays, and their shapes.
/** @type {(buffer: ArrayBuffer) => {header: WordHeader, arrays: Record<string, any>, shapes: Record<string, number[]>}} */
function unpack(buffer) {
  const bytes = new Uint8Array(buffer), numbers = new DataView(buffer);
  const version = numbers.getUint32(4, true), start = 12 + numbers.getUint32(8, true);
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== 'SLEV' || version !== VERSION) throw new Error(`no evidence of version ${VERSION}`);
  /** @type {WordHeader} */
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(12, start)));
  const arrays = Object.fromEntries(header.arrays.map(({name, type, shape, at}) =>
    [name, new TYPES[type](buffer, start + at, shape.reduce((a, b) => a * b, 1))]));
  return {header, arrays, shapes: Object.fromEntries(header.arrays.map(({name, shape}) => [name, shape]))};
}

/**
 * Return the run with the rows of one more word.
 * @param {RunEvidence} run
 * @param {MoreWord} word
 * @returns {RunEvidence}
 */
export function withWord(run, word) {
  const scales = run.scales.map(one => {
    const other = word.maps.find(({alpha}) => Math.abs(alpha - one.alpha) < 1e-6);
    if (!other) throw new Error(`the word has no rows at scale ${one.alpha}`);
    return {...one, maps: joined(one.maps, other.maps), up: joined(one.up, other.up), down: joined(one.down, other.down)};
  });
  return {
    ...run, said: new Map(), scales, ids: joined(run.ids, word.ids), scores: joined(run.scores, word.scores),
    wordTexts: joined(run.wordTexts, word.wordTexts), wordFolds: joined(run.wordFolds, word.wordFolds),
  };
}

/** @type {<T extends Int16Array | Int32Array | Float32Array>(one: T, other: T) => T} */
function joined(one, other) {
  const out = /** @type {any} */ (new (/** @type {any} */ (one.constructor))(one.length + other.length));
  out.set(one);
  out.set(other, one.length);
  return out;
}

/** @type {(one: EvidenceHeader['scales'][0], size: number, i: number, arrays: Record<string, any>) => RunScale} */
function scale({alpha, base, least, views}, size, i, arrays) {
  let at = 0;
  const placed = views.map(view => {
    const begin = at;
    at += (view.y.length - 1) * (view.x.length - 1);
    return {...view, at: begin};
  });
  return {alpha, base, least, views: placed, size, maps: arrays[`maps${i}`], up: arrays[`up${i}`], down: arrays[`down${i}`]};
}

/**
 * Return the recorded scale with this factor.
 * @param {RunEvidence} run
 * @param {number} alpha
 * @returns {RunScale}
 */
export function scaleOf(run, alpha) {
  const found = run.scales.find(one => Math.abs(one.alpha - alpha) < 1e-6);
  if (found) return found;
  const known = run.scales.map(one => one.alpha).sort((a, b) => a - b).join(', ');
  throw new Refusal(`scale ${alpha} was not recorded; this run holds ${known}`);
}

/**
 * Return the logits of a word at the cells of a view, row by row.
 * @param {RunScale} scale
 * @param {RunView} view
 * @param {number} word
 * @returns {Float32Array}
 */
export function viewLogits(scale, view, word) {
  const size = (view.y.length - 1) * (view.x.length - 1), begin = word * scale.size + view.at;
  const up = scale.up[word], down = scale.down[word], out = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    const step = scale.maps[begin + i];
    out[i] = step / STEPS * (step > 0 ? up : down);
  }
  return out;
}

/**
 * List the tokens with a role.
 * @param {RunEvidence} run
 * @param {number} role
 * @returns {number[]}
 */
export function indices(run, role) {
  return [...run.roles.keys()].filter(token => run.roles[token] === role);
}

/**
 * Return the run as if another word stood in place of a token.
 * @param {RunEvidence} run
 * @param {number} token
 * @param {number} word
 * @returns {RunEvidence}
 */
export function saying(run, token, word) {
  if (run.tokens[token] === word) return run;
  const other = `${token} ${word}`, {said} = run;
  if (said.size >= MOST_SAID && !said.has(other)) said.clear();
  const changed = said.get(other) ?? replaced(run, token, word);
  said.set(other, changed);
  return changed;
}

/** @type {(run: RunEvidence, token: number, word: number) => RunEvidence} */
function replaced(run, token, word) {
  const tokens = run.tokens.slice(), tokenTexts = run.tokenTexts.slice(), tokenFolds = run.tokenFolds.slice();
  tokens[token] = word;
  tokenTexts[token] = run.wordTexts[word];
  tokenFolds[token] = run.wordFolds[word];
  return {...run, tokens, tokenTexts, tokenFolds, said: new Map()};
}

/**
 * Return the number of the word with a vocabulary id.
 * @param {RunEvidence} run
 * @param {number} id
 * @returns {number}
 */
export function wordOf(run, id) {
  const word = run.ids.indexOf(id);
  if (word < 0) throw new Refusal(`the run holds no unembedding row for id [${id}]`);
  return word;
}
