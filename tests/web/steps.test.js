// Step by step in the page against Python, on cases that tests/web/test_twins.py has made anew, and
// the captions of the steps.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';

import {computing} from '../../explainer/web/js/computed.js';
import {settingsOf} from '../../explainer/web/js/methods/base.js';
import {anatomy, leading, overlap, peak} from '../../explainer/web/js/methods/anatomy.js';
import {readEvidence, Refusal} from '../../explainer/web/js/methods/run.js';
import {check, mapsOf, piecesOf} from '../../explainer/web/js/methods/subjects.js';
import {mapSteps} from '../../explainer/web/js/steps/captions.js';
import {buffer, told} from './twins.js';

const all = told(), path = process.env.SIGHTLINE_STEPS, skip = path ? false : 'pytest makes the cases';
const {cases, page} = path ? JSON.parse(readFileSync(path, 'utf8')) : {}, CLOSE = 1e-5;
const METHOD = all?.declared.methods.msea_arc, CAPTIONS = page?.told.steps;

/** Assert that numbers are those of Python, to a share of the largest of them. */
function close(got, wanted, name) {
  assert.equal(got.length, wanted.length, name);
  const most = Array.from(wanted).reduce((a, b) => Math.max(a, Math.abs(b)), 1);
  Array.from(wanted).forEach((value, i) => assert.ok(Math.abs(got[i] - value) <= CLOSE * most, `${name}: ${got[i]} for ${value} at ${i}`));
}

const flat = parts => parts.flatMap(({values}) => [...values]), values = data => new Float32Array(buffer(data));
const steps = data => new Uint8Array(buffer(data));

/** The run that says the leading piece of a word, its token and its number. */
function standing(run, word, s) {
  check(word, s);
  const pieces = piecesOf(run, word), piece = pieces.length > 1 ? leading(mapsOf(METHOD, run, word, s), word.by) : 0;
  return {piece, said: pieces[piece][0], token: pieces[piece][1]};
}

function compare(name, {piece, said, token}, s, one) {
  const got = anatomy(said, token, s), {want} = one;
  assert.equal(piece, one.piece, name);
  assert.equal(got.token, want.token, name);
  assert.equal(got.signed, want.signed, name);
  for (const part of ['fused', 'interference', 'subtracted', 'before']) close(flat(got[part]), values(want.maps[part]), `${name}: ${part}`);
  close(flat(got.heat.parts), values(want.maps.after), `${name}: after`);
  assert.deepEqual(got.scales.map(scale => scale.alpha), want.scales.map(scale => scale.alpha), name);
  got.scales.forEach(({parts, shares}, i) => {
    close(flat(parts), values(want.scales[i].map), `${name}: scale ${i}`);
    assert.equal(shares === null, want.scales[i].shares === null, name);
    close(shares ?? [], want.scales[i].shares ?? [], `${name}: shares of scale ${i}`);
  });
  close([got.beta, got.betaAuto], [want.beta, want.beta_auto], `${name}: beta`);
  const {context} = got;
  assert.deepEqual([...context.relevance].map(Number.isNaN), want.relevance.map(r => r === null), name);
  close([...context.relevance].filter(r => !Number.isNaN(r)), want.relevance.filter(r => r !== null), `${name}: relevance`);
  assert.deepEqual(context.repeats, want.repeats, name);
  close(context.weights, want.weights, `${name}: weights`);
  close(context.shares, want.shares, `${name}: shares`);
  close([context.baseWeight, context.baseShare], [want.base_weight, want.base_share], `${name}: A_0`);
  if (want.other === null) return;
  const lists = overlap(said, want.other, token, s);
  assert.deepEqual([lists.first, lists.second], [want.overlap.first, want.overlap.second], name);
  assert.deepEqual(lists.shared.map(pair => [pair.guess, pair.first, pair.second]), want.overlap.shared.map(pair => pair.slice(0, 3)), name);
  close([lists.relevance, ...lists.shared.map(pair => pair.gain)], [want.overlap.relevance, ...want.overlap.shared.map(pair => pair[3])], `${name}: gains`);
}

// The canvases show at most one of 255 steps more or less than those of Python.
function compareDrawn(name, run, {word, want: {drawn}}, s) {
  const told = {whole: 'w', pieces: word.tokens ?? word.ids, chips: [], norm: '', says: CAPTIONS};
  const got = mapSteps(METHOD, run, word, s, told, null);
  const cells = parts => parts.flatMap(part => [...part.cells]);
  const near = (parts, data) => {
    const wanted = steps(data), own = cells(parts);
    assert.equal(own.length, wanted.length, name);
    assert.ok(own.every((step, i) => Math.abs(step - wanted[i]) <= 1), name);
  };
  for (const step of ['fused', 'interference', 'before', 'after']) near(got.steps[step].parts, drawn[step]);
  got.scales.forEach(({parts}, i) => near(parts, drawn.scales[i]));
}

test('every step is what Python computes', {skip}, () => {
  const read = new Set();
  for (const one of cases) {
    const {run: label, word, knobs, preset, error} = one, name = JSON.stringify({label, word, knobs, preset}), run = all.runs[label];
    const s = settingsOf(METHOD, knobs, preset), watched = new Proxy(s, {get: (own, knob) => { read.add(knob); return own[knob]; }, ownKeys: () => []});
    if (error) {
      assert.throws(() => anatomy(...Object.values(standing(run, word, s)).slice(1), s), e => e instanceof Refusal && e.message === error, name);
      continue;
    }
    compare(name, standing(run, word, s), s, one);
    compareDrawn(name, run, one, s);
    anatomy(run, one.want.token, watched);
  }
  assert.ok(cases.length > 150);
  assert.deepEqual(METHOD.knobs.map(knob => knob.name).filter(name => !read.has(name)), [], 'knobs that no step reads');
});

// Captions ----------------------------------------------------------------------------------------

const chips = page?.bar.chips, chipOf = text => chips.find(chip => chip.text === text && chip.role === 'answer');
const PANEL = {alphas: [[.5, true], [.75, true], [1, true], [1.25, false], [.25, false]], k: 50, beta: null, weights: null};

/** What an act makes in the end, and in how many slices. */
function finished(act) {
  for (let slices = 1; ; slices++) {
    const made = act();
    if (made) return {made, slices};
  }
}

/** The steps of the run that the page shows: of `dog`, unless told otherwise. */
function shown({subject = {chip: chipOf('dog')?.index}, beside = null, panel = {}, options = {}, grows = false, change = run => run} = {}) {
  const bar = change(structuredClone(page.bar)), own = computing(buffer(page.evidence), page.told, grows);
  const state = {panel: {...PANEL, ...panel}, options: {msea_arc: options}, facts: bar.facts, chips: bar.chips};
  return finished(() => own.steps(subject, beside === null ? null : chipOf(beside).index, state)).made;
}
const stepsOf = how => shown(how).steps;

test('captions name the words and the numbers', {skip}, () => {
  const {word, note, steps, scales, beta, peaks, words, about, symbols} = stepsOf();
  assert.deepEqual([word, note], ['dog', '']);
  assert.deepEqual(words.map(item => item.text), ['Describe', 'it.', 'A', 'cat', 'and', 'a']);
  assert.deepEqual(words.map(item => item.role), ['prompt', 'prompt', 'answer', 'answer', 'answer', 'answer']);
  assert.match(steps.interference.captions[0], /maps of \d earlier words\. .*“dog”.* “\S+” contributes most, \d+ %\.$/);
  assert.match(steps.fused.captions[0], /^Mean of the scales\. The highest score is \d+\.\d\. Negative scores are set to zero\.$/);
  assert.match(steps.before.captions[0], /\d+ % of it is zero\.$/);
  assert.match(steps.after.captions[0], /3 × 3 cells.*This is the map at the top of the page\. /);
  assert.match(steps.after.parts[0].alt, /^Smoothed map, “dog”: strongest in the /);
  assert.deepEqual(scales.map(scale => [scale.alpha, scale.grids, scale.shares]), [[.5, ['11 × 11'], ['33 %']], [.75, ['16 × 16'], ['33 %']], [1, ['21 × 21'], ['33 %']]]);
  assert.equal(beta.caption, CAPTIONS.betaAuto);
  assert.match(peaks.steps, /^\d+\.\d$/);
  for (const text of [about, symbols, ...Object.values(steps).flatMap(step => step.captions)]) assert.doesNotMatch(text, /[{}]|undefined|NaN/);
});

test('captions follow the knobs', {skip}, () => {
  for (const [options, step, says] of [
    [{weights: 'uniform'}, 'interference', 'with equal weights.'], [{weights: 'score'}, 'interference', 'as in TAM'], [{weights: 'none'}, 'interference', CAPTIONS?.nothing],
    [{fuse: 'max'}, 'fused', 'Maximum of the scales.'], [{clip: 'per_scale'}, 'fused', 'at each scale'], [{clip: 'none'}, 'fused', 'in the second colour'],
    [{window: 1}, 'after', CAPTIONS?.rough], [{window: 5}, 'after', '5 × 5'], [{normalisation: 'answer'}, 'after', page?.told.declared.norms.plain.answer],
  ]) assert.ok(stepsOf({options}).steps[step].captions[0].includes(says), `${JSON.stringify(options)}: ${says}`);
  const most = stepsOf({options: {fuse: 'max'}, panel: {weights: [.5, 1, 2, 1, 1]}});
  assert.ok(most.max && most.about.includes('without weights') && most.scales.every(scale => scale.shares === null));
  assert.deepEqual(stepsOf({panel: {weights: [0, 1, 2, 1, 1]}}).scales.map(scale => scale.shares), [['0 %'], ['33 %'], ['67 %']]);
});

test('the caption of beta says where it is from', {skip}, () => {
  const auto = stepsOf().beta.value;
  assert.deepEqual(stepsOf({panel: {beta: .5}}).beta, {value: '0.50', caption: `How much is subtracted, set by the slider. Eq. 9 gives ${auto}.`});
  assert.deepEqual(stepsOf({options: {weights: 'none'}}).beta, {value: '0.00', caption: CAPTIONS.betaZero});
});

test('shares of earlier words and of the base map sum to one', {skip}, () => {
  const {words, base, legend} = stepsOf({options: {clip: 'none'}, panel: {beta: .5}});
  const taken = words.reduce((all, item) => all + item.part, 0);
  assert.ok(taken > 0 && taken < 1);
  assert.equal(base, `The base map A₀ (Eq. 8), of the word that scores lowest in the picture, is ${Math.round(100 * (1 - taken))} % of what is subtracted.`);
  for (const item of words) assert.ok(item.label.startsWith(`${item.text}: relevance ${item.relevance.toFixed(2)}, ${item.share} of`), item.label);
  assert.ok(legend.includes('“dog”'));
  assert.equal(stepsOf({options: {base: 'off'}}).base, '');
});

test('the lists are those of the chosen word, or of the one that counts most', {skip}, () => {
  const {pair} = stepsOf({beside: 'cat'}), [one, other] = pair.lists;
  assert.equal(pair.chip, chipOf('cat').index);
  assert.deepEqual([one.title, other.title], ['Guesses in place of “cat”', 'Guesses in place of “dog”']);
  assert.deepEqual([one.rows.length, other.rows.length], [50, 50]);
  one.rows.forEach((row, i) => {
    if (row.other !== null) assert.deepEqual([other.rows[row.other - 1].text, other.rows[row.other - 1].other], [row.text, i + 1]);
  });
  const linked = one.rows.filter(row => row.other !== null), gain = linked.reduce((all, row) => all + row.gain, 0);
  assert.match(pair.text, new RegExp(`: ${linked.length} of 50 are shared, r = ${gain.toFixed(2)}\\.`));
  const {words, pair: first} = stepsOf(), most = words.reduce((best, item) => item.part > best.part ? item : best);
  assert.equal(first.chip, most.chip);
  assert.equal(stepsOf({beside: 'grass'}).pair.chip, most.chip, 'no word before it');
  assert.equal(stepsOf({beside: 'cat', options: {state: 'own'}}).pair.lists[0].title, 'Guesses after “cat”');
  for (const [weights, says] of Object.entries(CAPTIONS.noPart)) assert.ok(stepsOf({beside: 'cat', options: {weights}}).pair.text.includes(says));
});

test('what two lists have in common is said in words', {skip}, () => {
  const run = readEvidence(buffer(page.evidence)), [cat, dog] = ['cat', 'dog'].map(text => chipOf(text).tokens[0]), s = settingsOf(METHOD, {});
  const told = {whole: 'dog', pieces: ['dog'], chips, norm: '', says: CAPTIONS}, text = () => mapSteps(METHOD, run, {tokens: [dog]}, s, told, chipOf('cat').index).pair.text;
  run.guesses.copyWithin(dog * run.depth, cat * run.depth, (cat + 1) * run.depth);
  assert.ok(text().startsWith('The guesses for “cat” and for “dog” are nearly the same: 50 of 50 are shared, r = 1.00. So next to nothing of the map of “cat” counts'), text());
  for (let i = 0; i < run.depth; i++) run.guesses[dog * run.depth + i] = run.guessTexts.length + 1 + i;
  assert.ok(text().startsWith('The guesses for “cat” and for “dog” have nothing in common: 0 of 50 are shared, r = 0.00. So the whole map of “cat” counts'), text());
});

test('the first word has nothing before it, and a repeat says so', {skip}, () => {
  const alone = stepsOf({subject: {chip: chips.find(chip => chip.role === 'prompt').index}});
  assert.deepEqual([alone.words, alone.pair, alone.legend], [[], null, CAPTIONS.noWords]);
  assert.deepEqual(alone.steps.interference.captions, [CAPTIONS.nothing]);
  const again = stepsOf({subject: {chip: chipOf('a').index}, beside: 'A', options: {repeats: 'drop_word'}}), first = again.words.find(item => item.text === 'A');
  assert.deepEqual([first.repeat, first.part, first.share, first.label], [true, 0, 'same word', 'A: the same word, left out']);
  assert.ok(again.pair.text.includes(CAPTIONS.same));
});

test('a word made of several tokens, one that is the same, and a contrast say what is shown of them', {skip}, () => {
  const tokens = ['a', 'dog'].flatMap(text => chipOf(text).tokens), several = stepsOf({subject: {tokens}});
  assert.equal(several.note, `“a dog” is 2 tokens. Shown is “${several.word}”, whose map contributes most to theirs.`);
  assert.equal(stepsOf({subject: {tokens, by: 'first'}}).word, 'a');
  const both = stepsOf({subject: {plus: {chip: chipOf('dog').index}, minus: {chip: chipOf('cat').index}}});
  assert.equal(both.word, 'dog');
  assert.equal(both.note, 'The map above is a difference. Shown here is its first part, the map of “dog”; choose “cat” to see the second.');
  const odd = stepsOf({subject: {chip: chipOf('dog').index}, change: bar => { bar.facts.texts[chipOf('dog').tokens[0]] = ' {other}'; return bar; }});
  assert.ok(odd.pair.text.includes('“{other}”'), 'braces in words stay words');
});

test('steps that need the maps of the whole answer are computed one in a slice, and are the same', {skip}, t => {
  const options = {normalisation: 'answer'}, own = computing(buffer(page.evidence), page.told, false), subject = {chip: chipOf('dog').index};
  const state = {panel: PANEL, options: {msea_arc: options}, facts: page.bar.facts, chips}, wanted = stepsOf({options});
  let clock = 0;
  const {mock} = t.mock.method(performance, 'now', () => clock += 20);  // the time of a frame is always over
  const {made, slices} = finished(() => own.steps(subject, null, state));
  mock.restore();
  assert.equal(slices, chips.filter(chip => chip.role === 'answer').length);
  assert.deepEqual(made.steps, wanted);
});

test('what cannot be shown is said in words', {skip}, () => {
  assert.deepEqual(shown({panel: {k: 0}}).refused, {text: 'K must lie in 1..200, got 0', kind: 'error'});
  assert.deepEqual(shown({panel: {alphas: [[1, false]]}}).refused, {text: page.told.words.noScale, kind: 'error'});
  assert.deepEqual(shown({panel: {alphas: [[1, true], [1.5, true]]}, grows: true}).refused, {text: 'Reading the picture at scale 1.5…', kind: 'busy'});
  assert.equal(shown({subject: {chip: 999}}).refused.kind, 'error');
  assert.deepEqual(computing(buffer(page.evidence), page.told, false).steps({chip: 1}, null, {panel: null}), {});
});

test('colours end at the largest value of either sign', () => {
  assert.equal(peak([{values: [1, -3]}], [{values: [2]}]), 3);
  assert.equal(leading([{parts: [{values: Float32Array.of(1, 0)}]}, {parts: [{values: Float32Array.of(.5, 3)}]}], 'max'), 1);
});
