// What is drawn and said of the steps that lead to a map: pictures, captions, earlier words, and
// their guesses. `says` are the captions of explainer/web/step_words.py.
import {drawnPart} from '../describe.js';
import {fill} from '../dom.js';
import {anatomy, leading, overlap, peak} from '../methods/anatomy.js';
import {baseViews} from '../methods/lens.js';
import {check, mapsOf, piecesOf} from '../methods/subjects.js';
import {roundEven} from '../methods/sums.js';

/** @typedef {{word: string, chips: BarChip[], found: Anatomy, run: RunEvidence, s: Settings, says: StepCaptionsWords}} Case */

/**
 * Return how the map of a word came about.
 * @param {MethodSpec} method MSEA + ARC
 * @param {RunEvidence} run
 * @param {ExplainedWord} word
 * @param {Settings} s all knobs
 * @param {{whole: string, pieces: string[], against?: string, chips: BarChip[], norm: string, says: StepCaptionsWords}} told texts of the
 *   word, of its pieces, and of the word that it is compared with; `norm` says what 1.0 means in the map
 * @param {number | null} beside the chip whose guesses are shown; null for the one that counts most
 * @returns {MapSteps}
 */
export function mapSteps(method, run, word, s, {whole, pieces, against, chips: all, norm, says}, beside) {
  check(word, s);
  const runs = piecesOf(run, word), several = runs.length > 1, at = several ? leading(mapsOf(method, run, word, s), word.by ?? 'max') : 0;
  const [said, token] = runs[at], found = anatomy(said, token, s), one = {word: pieces[at], chips: all, found, run: said, s, says};
  const scalesPeak = peak(...found.scales.map(scale => scale.parts)), high = peak(found.fused, found.interference, found.before);
  const chips = earlierWords(one);
  const notes = [
    against === undefined ? '' : fill(says.contrast, {word: whole, other: against}),
    several ? fill(says.pieces, {word: whole, count: runs.length, piece: one.word}) : '',
  ];
  return {
    word: one.word, note: notes.filter(Boolean).join(' '), signed: found.signed, max: s.fuse === 'max',
    peaks: {scales: readable(scalesPeak), steps: readable(high)},
    about: fill(says.sizes[s.fuse], {word: one.word}), symbols: fill(says.symbols, {word: one.word}),
    scales: scaleSteps(one, scalesPeak), steps: equation(one, chips, high, norm), beta: factor(one),
    words: chips, base: baseSentence(one), legend: chips.length ? fill(says.words, {word: one.word}) : says.noWords,
    pair: pairOf(one, chips, beside),
  };
}

/** @type {(part: number) => string} */
const percent = part => part > 0 && part < .005 ? '< 1 %' : `${roundEven(100 * part)} %`;
// A score with two or three digits.
/** @type {(score: number) => string} */
const readable = score => score >= 1 ? score.toFixed(1) : String(Number(score.toPrecision(2)));

// Pictures ----------------------------------------------------------------------------------------

// Maps of logits on colours that end at `high`, so that several can be compared.
/** @type {(one: Case, parts: HeatPart[], title: string, high: number) => MapPart[]} */
function drawn({run, found: {signed}, word}, parts, title, high) {
  const low = signed ? -1 : 0;
  return parts.map((part, i) => {
    const values = part.values.map(value => Math.min(1, Math.max(low, value / (high || 1))));
    return drawnPart({...part, values}, run.images[i], signed, `${title}, “${word}”`);
  });
}

/** @type {(one: Case, high: number) => ScaleStep[]} */
function scaleSteps(one, high) {
  return one.found.scales.map(({alpha, parts, shares}) => ({
    alpha, grids: baseViews(one.run, alpha).map(view => `${view.x.length - 1} × ${view.y.length - 1}`), shares: shares && shares.map(percent),
    parts: drawn(one, parts, `α = ${alpha}`, high),
  }));
}

/** @type {(one: Case, chips: EarlierWord[], high: number, norm: string) => MapSteps['steps']} */
function equation(one, chips, high, norm) {
  const {found, says: {titles, ...says}, s} = one, {images} = one.run, smooth = s.window > 1 ? says.smooth : says.rough;
  const after = `${fill(smooth, {window: s.window})} ${fill(says.after, {norm})}`, taken = interference(one, chips);
  return {
    fused: {title: titles.fused, parts: drawn(one, found.fused, titles.fused, high), captions: found.fused.map(part => fused(one, part))},
    interference: {title: titles.interference, parts: drawn(one, found.interference, titles.interference, high), captions: images.map(() => taken)},
    before: {
      title: titles.before, parts: drawn(one, found.before, titles.before, high),
      captions: found.before.map(({values}) => fill(says.before, {empty: percent(values.filter(value => value <= 0).length / values.length)})),
    },
    after: {
      title: titles.after, captions: images.map(() => after),
      parts: found.heat.parts.map((part, i) => drawnPart(part, images[i], false, `${titles.after}, “${one.word}”`)),
    },
  };
}

/** @type {(one: Case, part: HeatPart) => string} */
function fused({word, s, says}, {values}) {
  const highest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!(highest > 0)) return fill(says.fusedEmpty, {word});
  return `${fill(says.fused[s.fuse], {peak: readable(highest)})} ${says.clip[s.clip]}`;
}

/** @type {(one: Case, chips: EarlierWord[]) => string} */
function interference({word, s, says}, chips) {
  const counted = chips.filter(chip => chip.weight > 0);
  if (!counted.length || s.weights === 'none') return says.nothing;
  const most = counted.reduce((best, chip) => chip.part > best.part ? chip : best);
  const said = fill(says.interference[s.weights], {count: counted.length, word});
  return most.part > 0 ? said + fill(says.most, {most: most.text, share: most.share}) : said;
}

/** @type {(one: Case) => {value: string, caption: string}} */
function factor({found: {beta, betaAuto}, s, says}) {
  const caption = s.beta !== null ? fill(says.betaSet, {auto: betaAuto.toFixed(2)}) : beta ? says.betaAuto : says.betaZero;
  return {value: beta.toFixed(2), caption};
}

// Earlier words -----------------------------------------------------------------------------------

// The earlier chips that count or are left out as repeats, in order. One of several tokens has the
// sum of their weights and shares, and the relevance of the first.
/** @type {(one: Case) => EarlierWord[]} */
function earlierWords({chips, found: {token, context}, says}) {
  return chips.filter(({tokens}) => tokens[tokens.length - 1] < token && Number.isFinite(context.relevance[tokens[0]])).map(({index, text, role, tokens}) => {
    /** @type {(values: Float64Array) => number} */
    const sum = values => tokens.reduce((all, j) => all + values[j], 0);
    const relevance = context.relevance[tokens[0]], part = sum(context.shares), repeat = tokens.every(j => context.repeats[j]);
    const share = repeat ? says.repeat : percent(part);
    const label = repeat ? fill(says.labelRepeat, {word: text}) : fill(says.label, {word: text, relevance: relevance.toFixed(2), share});
    return {chip: index, text, role, label, relevance, weight: sum(context.weights), part, share, repeat};
  });
}

// A sentence on the base map A_0; '' where it takes nothing away.
/** @type {(one: Case) => string} */
function baseSentence({found: {context: {baseShare}}, says}) {
  return baseShare >= .005 ? fill(says.base, {share: percent(baseShare)}) : '';
}

// The guesses at a chip beside those at the token; null if there is no earlier chip.
/** @type {(one: Case, chips: EarlierWord[], beside: number | null) => GuessPair | null} */
function pairOf(one, chips, beside) {
  if (!chips.length) return null;
  const {run, found: {token}, s, says} = one;
  const chip = chips.find(item => item.chip === beside)
    ?? chips.reduce((best, item) => item.part > best.part || (item.part === best.part && item.weight > best.weight) ? item : best);
  const other = one.chips.find(({index}) => index === chip.chip)?.tokens[0] ?? 0, shared = overlap(run, other, token, s);
  /** @type {(guess: number, rank: 'first' | 'second') => Guess} */
  const row = (guess, rank) => {
    const text = run.guessTexts[guess - 1], match = shared.shared.find(pair => pair.guess === guess);
    if (!match) return {text, other: null, gain: 0, label: text};
    return {text, other: match[rank], gain: match.gain, label: fill(says.shared, {word: text, rank: match[rank], gain: match.gain.toFixed(3)})};
  };
  const title = says.list[s.state];
  return {
    chip: chip.chip, text: overlapText(one, chip, shared),
    lists: [
      {title: fill(title, {word: chip.text}), rows: shared.first.map(guess => row(guess, 'second'))},
      {title: fill(title, {word: one.word}), rows: shared.second.map(guess => row(guess, 'first'))},
    ],
  };
}

// What the overlap of two lists means for the map.
/** @type {(one: Case, chip: EarlierWord, shared: Overlap) => string} */
function overlapText({word, found, s, says}, chip, shared) {
  const {relevance: r} = shared, said = [says.pair];
  if (chip.repeat) said.push(says.same);
  else {
    said.push(s.weights === 'rbo' ? graded(says.counts, r) : says.noPart[s.weights]);
    if (chip.weight > 0 && found.beta) said.push(chip.part ? says.share : says.dark);
  }
  return fill(said.join(' '), {
    other: chip.text, word, alike: graded(says.alike, r), relevance: r.toFixed(2), shared: shared.shared.length, k: shared.first.length,
    weight: percent(1 - r), share: chip.share,
  });
}

// The words of the first grade that a value reaches.
/** @type {(grades: [number, string][], value: number) => string} */
const graded = (grades, value) => grades.find(([least]) => value >= least)?.[1] ?? '';
