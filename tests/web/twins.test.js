// The methods in the page against Python, on cases that tests/web/test_twins.py has made anew.
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {drawnPart, notesOf} from '../../explainer/web/js/describe.js';
import {settingsOf} from '../../explainer/web/js/methods/base.js';
import {METHODS} from '../../explainer/web/js/methods/registry.js';
import {Unfinished, within} from '../../explainer/web/js/methods/slices.js';
import {explainSubject} from '../../explainer/web/js/methods/subjects.js';
import {answered, buffer, readBy, told} from './twins.js';

const all = told(), skip = all ? false : 'pytest makes the cases';
const CLOSE = 1e-5, STEP = 1 / 255;

/** How far two values are apart; TAM as published cuts to 8 bits, where a rounding error can be a step. */
function apart(own, python, published) {
  const gap = Math.abs(own - python);
  return published && Math.abs(gap - STEP) < CLOSE ? 0 : gap;
}

function compare(name, got, wanted, norms) {
  const published = got.norm[0] === 'published';
  assert.equal(got.signed, wanted.signed, name);
  assert.equal(norms[got.norm[0]][got.norm[1]], wanted.norm, name);
  assert.deepEqual(Object.keys(got.notes).sort(), Object.keys(wanted.notes).sort(), name);
  for (const [note, value] of Object.entries(wanted.notes)) assert.ok(Math.abs(got.notes[note] - value) < CLOSE * Math.max(1, Math.abs(value)), `${name}: ${note}`);
  assert.equal(got.parts.length, wanted.parts.length, name);
  got.parts.forEach(({values, shape, placement}, i) => {
    const part = wanted.parts[i], expected = new Float32Array(buffer(part.values));
    assert.deepEqual(shape, part.shape, name);
    assert.deepEqual(placement, {extent: part.extent, frame: part.frame}, name);
    const gaps = values.map((value, cell) => apart(value, expected[cell], published)), most = gaps.reduce((a, b) => Math.max(a, b), 0);
    assert.ok(most <= CLOSE, `${name}: ${most} apart`);
    const cut = values.filter((value, cell) => Math.abs(value - expected[cell]) > CLOSE).length;
    assert.ok(cut <= .02 * values.length, `${name}: ${cut} cells on another step`);
  });
}

// What is drawn and said of a map. A rounding error may move a cell to the next of 256 steps; what
// is said is compared where none did, which has to be nearly everywhere.
function compareShown(name, {heat, about}, {note, parts, about: told}, images) {
  assert.equal(notesOf(heat), note, name);
  assert.equal(about, told, name);
  return heat.parts.every((part, i) => {
    const {data, ...wanted} = parts[i], steps = Buffer.from(data, 'base64'), {cells, ...got} = drawnPart(part, images[i], heat.signed, 'map');
    const gaps = Array.from(cells, (step, cell) => Math.abs(step - steps[cell])), same = gaps.every(gap => gap === 0);
    assert.ok(gaps.every(gap => gap <= 1), name);
    if (same) assert.deepEqual(got, wanted, name);
    return same;
  });
}

for (const method of Object.keys(all?.declared.methods ?? METHODS)) {
  test(`${method} is what Python computes`, {skip}, () => {
    const cases = all.cases.filter(one => one.method === method);
    const drawn = [];
    assert.ok(cases.length > 50);
    for (const one of cases) {
      const {heat: wanted, error: refusal, shown, ...asked} = one, name = JSON.stringify(asked), got = answered(all, one);
      assert.equal(got.error, refusal, name);
      if (!wanted) continue;
      compare(name, got.heat, wanted, all.declared.norms);
      drawn.push(compareShown(name, got, shown, all.runs[one.run].images));
    }
    assert.ok(drawn.filter(Boolean).length > .9 * drawn.length);
  });

  test(`${method} reads every knob that Python declares`, {skip}, () => {
    const spec = all.declared.methods[method], read = new Set(), run = all.runs.small;
    for (const {knobs} of all.cases.filter(one => one.method === method && !one.error)) {
      for (const name of readBy(spec, run, {...settingsOf(spec, knobs), ...spec.held})) read.add(name);
    }
    assert.deepEqual(spec.knobs.map(knob => knob.name).filter(name => !read.has(name)), []);
  });
}

test('every method that needs no model has a twin', {skip}, () => {
  assert.deepEqual(Object.keys(METHODS).sort(), Object.keys(all.declared.methods).sort());
});

/** What `act` gives when its time is always over, and in how many slices. */
function sliced(act) {
  for (let slices = 1; ; slices++) {
    try {
      return {heat: within(-1, act), slices};
    } catch (error) {
      if (!(error instanceof Unfinished)) throw error;
    }
  }
}

test('maps of a whole answer are computed one in a slice, and are the same', {skip}, () => {
  const run = all.runs.several, [last] = [...run.roles.keys()].filter(token => run.roles[token] === 2).slice(-1);
  const words = run.roles.filter(role => role === 2).length, other = run.ids[0];
  const subjects = [{tokens: [last]}, {at: last, ids: [other]}, {plus: {tokens: [last]}, minus: {at: last, ids: [other]}}];
  assert.ok(words > 2);
  for (const spec of Object.values(all.declared.methods)) {
    const settings = settingsOf(spec, {normalisation: 'answer'});
    for (const subject of subjects) {
      const once = () => explainSubject(spec, {...run, said: new Map()}, subject, settings), resumed = {...run, said: new Map()};
      const {heat, slices} = sliced(() => explainSubject(spec, resumed, subject, settings));
      assert.equal(slices, words, `${spec.name} ${JSON.stringify(subject)}`);
      assert.deepEqual(heat.parts, once().parts);
    }
  }
});
