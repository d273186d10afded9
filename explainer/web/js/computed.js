// Maps computed here, from the evidence of a run and the state of all controls.
import {aboutMethod, drawnPart, notesOf} from './describe.js';
import {fill} from './dom.js';
import {lineOf, textOf, titleOf} from './facts.js';
import {settingsOf} from './methods/base.js';
import {largest} from './methods/display.js';
import {readEvidence, readWord, Refusal, withWord} from './methods/run.js';
import {Unfinished, within} from './methods/slices.js';
import {explainSubject} from './methods/subjects.js';
import {mapSteps} from './steps/captions.js';

const SLICE_MS = 10;  // of one frame
const ARC = 'msea_arc';  // the method that is shown step by step
/** @type {(word: Explained) => string} */
const keyOf = ({at, ids, word}) => JSON.stringify([at, word ?? ids]);
/** @type {(subject: Explained) => Explained[]} */
const parts = subject => subject.plus && subject.minus ? [subject.plus, subject.minus] : [subject];

/**
 * Prepare to compute the maps of a run at one layer.
 * @param {ArrayBuffer} message its evidence
 * @param {{declared: {methods: Record<string, MethodSpec>, norms: Record<string, Record<string, string>>}, words: ComputedWords, steps: StepCaptionsWords}} told
 * @param {boolean} grows whether scales can be added to the run
 * @returns {Computing}
 */
export function computing(message, {declared: {methods, norms}, words, steps: says}, grows) {
  let run = readEvidence(message);
  /** @type {Map<string, HeldWord>} */
  const unsaid = new Map();
  /** @type {Map<string, LastMap>} */
  const lastMaps = new Map();

  // The factors that are on, each once, with their weights.
  /** @type {(panel: PanelValue) => Map<number, number>} */
  function scalesOf({alphas, weights}) {
    const on = new Map();
    alphas.forEach(([alpha, wanted], i) => {
      const factor = Number(alpha.toFixed(4));
      if (wanted && !on.has(factor)) on.set(factor, weights?.[i] ?? 1);
    });
    if (!on.size) throw new Refusal(words.noScale);
    return on;
  }

  // The knobs of a method, from the values of both panels.
  /** @type {(name: string, panel: PanelValue, own: Record<string, unknown>) => Settings} */
  function settings(name, panel, own) {
    const spec = methods[name], names = spec.knobs.map(knob => knob.name), on = scalesOf(panel);
    /** @type {Record<string, unknown>} */
    const given = {...own};
    for (const [knob, value] of Object.entries({scales: [...on.keys()], k: panel.k, beta: panel.beta})) if (names.includes(knob)) given[knob] = value;
    if (names.includes('scale_weights') && given.fuse !== 'max') given.scale_weights = weightsOf([...on.values()]);
    return settingsOf(spec, given);
  }

  /** @type {(all: number[]) => number[] | null} */
  function weightsOf(all) {
    if (!all.some(weight => weight)) throw new Refusal(words.noWeight);
    return new Set(all).size === 1 ? null : all;
  }

  // The factors that maps need and the run was not read at.
  /** @type {(panel: PanelValue, options: OptionValue) => number[]} */
  function missing(panel, options) {
    const others = Object.values(options).flatMap(knobs => typeof knobs.alpha === 'number' ? [knobs.alpha] : []);
    const needed = [...new Set([...scalesOf(panel).keys(), ...others])];
    return needed.filter(alpha => run.scales.every(scale => Math.abs(scale.alpha - alpha) >= 1e-6)).sort((a, b) => a - b);
  }

  /** @type {(word: Explained) => HeldWord} */
  function heldOf(word) {
    const held = unsaid.get(keyOf(word));
    if (!held) throw new Refusal(words.absent);
    return held;
  }

  /** @type {(word: Explained, chips: BarChip[]) => number[]} */
  function tokensOf(word, chips) {
    const tokens = word.chip === undefined ? word.tokens : chips[word.chip]?.tokens;
    if (!tokens?.length || !tokens.every(token => token in run.tokens)) throw new Refusal(words.absent);
    return tokens;
  }

  // A word as the methods take it.
  /** @type {(word: Explained, chips: BarChip[]) => ExplainedWord} */
  function wordOf(word, chips) {
    const by = word.by ?? 'max', {at} = word;
    return at === undefined ? {tokens: tokensOf(word, chips), by} : {at, ids: heldOf(word).ids, by};
  }

  // The same with what is said of it.
  /** @type {(word: Explained, chips: BarChip[], facts: AnswerFacts) => SubjectWord} */
  function subjectWord(word, chips, {texts, probabilities}) {
    if (word.at !== undefined) {
      const held = heldOf(word);
      return {tokens: [word.at], texts: held.texts, probability: held.probability, was: texts[word.at]};
    }
    const tokens = tokensOf(word, chips);
    return {tokens, texts: tokens.map(token => texts[token]), probability: product(tokens.map(token => probabilities[token]))};
  }

  /** @type {(chances: (number | null)[]) => number | null} */
  const product = chances => chances.reduce((all, one) => all === null || one === null ? null : all * one, 1);

  /** @type {(name: string, heat: Heat, text: string, images: BackdropImage[]) => MethodMap} */
  function mapOf(name, heat, text, images) {
    const {label} = methods[name];
    const drawn = heat.parts.map((part, i) => {
      const on = images[i].label ? ` on ${images[i].label}` : '';
      return drawnPart(part, run.images[i], heat.signed, `${label} map of “${text}”${on}`);
    });
    return {name, label, note: notesOf(heat), parts: drawn, signed: heat.signed, norm: norms[heat.norm[0]][heat.norm[1]]};
  }

  // The map of a method, which stays the same object as long as nothing that it depends on changes.
  /** @type {(name: string, whole: ExplainedWord | WordContrast, settings: Settings, word: string, images: BackdropImage[]) => LastMap} */
  function makeMap(name, whole, values, word, images) {
    const key = JSON.stringify([whole, values, word]), last = lastMaps.get(name);
    if (last?.key === key && last.images === images) return last;
    const heat = explainSubject(methods[name], run, whole, values), made = {key, images, heat, map: mapOf(name, heat, word, images)};
    lastMaps.set(name, made);
    return made;
  }

  /** @type {(subject: Explained, now: State) => Found} */
  function compute(subject, {panel, options, pictures, facts, chips}) {
    if (!panel || !options || !facts) return {};
    const began = performance.now(), lacking = grows ? missing(panel, options) : [];
    if (lacking.length) return {refused: {busy: fill(words.adding, {scales: lacking.join(', ')}), need: true}};
    const said = parts(subject).map(word => subjectWord(word, chips, facts)), word = titleOf(said, words), whole = wholeOf(subject, chips);
    const shown = Object.keys(options).filter(name => name in methods);
    const made = Object.fromEntries(shown.map(name => [name, makeMap(name, whole, settings(name, panel, options[name]), word, pictures.images)]));
    const main = (made[ARC] ?? made[shown[0]])?.heat;
    return {entry: {
      subject, word, line: lineOf(said, subject.layer, chips, facts, words), maps: shown.map(name => made[name].map),
      peaks: (main?.parts ?? []).map(part => Number(largest(part.values.map(Math.abs)).toFixed(3))), beta: made[ARC]?.heat.notes.beta_auto ?? null,
      took: performance.now() - began,
    }};
  }

  // How the map of a subject came about, of the first word of a contrast.
  /** @type {(subject: Explained, beside: number | null, now: State) => FoundSteps} */
  function stepsOf(subject, beside, {panel, options, facts, chips}) {
    if (!panel || !options || !facts) return {};
    const lacking = grows ? missing(panel, {}) : [];
    if (lacking.length) return {refused: {text: fill(words.adding, {scales: lacking.join(', ')}), kind: 'busy'}};
    const s = settings(ARC, panel, options[ARC] ?? {}), [first] = parts(subject), [plus, other] = parts(subject).map(word => subjectWord(word, chips, facts));
    const texts = {whole: textOf(plus.texts), pieces: plus.texts.map(text => textOf([text])), against: other && textOf(other.texts)};
    return {steps: mapSteps(methods[ARC], run, wordOf(first, chips), s, {...texts, chips, norm: norms.plain[s.normalisation], says}, beside)};
  }

  // What an act finds within a slice; null where it has to go on later.
  /**
   * @template T
   * @param {() => T} act
   * @returns {T | {refused: Found['refused']} | null}
   */
  function attempt(act) {
    try {
      return within(SLICE_MS, act);
    } catch (error) {
      if (error instanceof Unfinished) return null;
      if (!(error instanceof Refusal)) throw error;
      return {refused: {text: error.message.replace(/^./u, first => first.toUpperCase()), kind: 'error'}};
    }
  }

  /** @type {(subject: Explained, chips: BarChip[]) => ExplainedWord | WordContrast} */
  function wholeOf(subject, chips) {
    const [plus, minus] = parts(subject).map(word => wordOf(word, chips));
    return minus ? {plus, minus} : plus;
  }

  return {
    knows: name => name in methods,
    lacks: subject => parts(subject).filter(word => word.at !== undefined && !unsaid.has(keyOf(word))),
    hold(word, held) { unsaid.set(keyOf(word), held); },
    add(word, addition) {
      const other = readWord(addition);
      run = withWord(run, other);
      unsaid.set(keyOf(word), {ids: [...other.ids], texts: other.texts, probability: other.probability});
    },
    entry: (subject, now) => attempt(() => compute(subject, now)),
    steps: (subject, beside, now) => attempt(() => stepsOf(subject, beside, now)),
    about: ({name, norm = ''}, {panel, options}) => panel && options ? aboutMethod(methods[name], settings(name, panel, options[name]), norm) : '',
  };
}
