import assert from 'node:assert/strict';
import {beforeEach, test} from 'node:test';

import {mapStore} from '../../explainer/web/js/maps.js';
import {placeWords} from '../../explainer/web/js/places.js';
import {sightline} from '../../explainer/web/js/state.js';

const SUBJECTS = [0, 1, 2, 3].map(chip => ({chip}));
const PANEL = {alphas: [[1, true]], k: 1, beta: null};
const map = (name, value = 0) => ({name, value, parts: []});
const turn = () => new Promise(done => setImmediate(done));

/** What computes: `tam` alone; it counts how often, and may be told to refuse or to need more time. */
function evidence({lacking = [], refused = null, slices = 0} = {}) {
  const calls = {entry: 0, brought: [], forgotten: []};
  let left = slices;
  const computing = {
    knows: name => name === 'tam',
    lacks: subject => lacking.filter(word => word.at === subject.at),
    entry(subject, {panel}) {
      calls.entry += 1;
      if (left-- > 0) return null;
      return refused ? {refused: {...refused}} : {entry: {subject, word: 'word', line: '', peaks: [1], maps: [map('tam', panel.k)]}};
    },
  };
  const source = {
    of: () => ({computing}), bring: (...given) => { calls.brought.push(given); return null; },
    forget: run => calls.forgotten.push(run), forgive() {},
  };
  return {source, calls};
}

/** A server whose answers come when the test says so. */
function server() {
  const waiting = [];
  return {
    waiting,
    fetch: request => new Promise((answer, fail) => waiting.push({request, answer, fail})),
    async answer(make = ({subjects}) => ({maps: subjects.map(subject => ({subject, maps: [map('eagle')], peaks: [2]}))})) {
      const {request, answer} = waiting.shift();
      answer(make(request));
      await turn();
    },
  };
}

const both = () => sightline.set({options: {tam: {}, eagle: {}}});

beforeEach(() => sightline.set({
  run: 'run', subject: SUBJECTS[1], subjects: SUBJECTS, extra: {}, panel: PANEL, options: {tam: {}},
}));

test('a hall of two hundred people who drag asks for nothing', () => {
  const asked = [], unreachable = request => { asked.push(request); return Promise.reject(new Error('no server')); };
  for (let person = 0; person < 200; person++) {
    const {source, calls} = evidence(), maps = mapStore(source, unreachable, () => {}, 'unreachable');
    for (let k = 1; k <= 50; k++) {
      sightline.set({panel: {...PANEL, k, beta: k / 50}});
      assert.equal(maps.find(SUBJECTS[1]).maps[0].value, k);
    }
    assert.deepEqual([calls.entry, calls.brought.length], [50, 0]);
  }
  assert.deepEqual(asked, []);
});

test('what can be computed is there at once, and the server is asked nothing', () => {
  const {source} = evidence(), {waiting, fetch} = server(), maps = mapStore(source, fetch, () => {}, 'unreachable');
  for (let k = 1; k <= 20; k++) {
    sightline.set({panel: {...PANEL, k}});
    assert.equal(maps.find(SUBJECTS[1]).maps[0].value, k);
  }
  assert.equal(maps.here(), 4);
  assert.equal(waiting.length, 0);
});

test('what was computed is kept for the next frame, and no more than some', () => {
  const {source, calls} = evidence(), maps = mapStore(source, server().fetch, () => {}, 'unreachable');
  assert.equal(maps.find(SUBJECTS[1]), maps.find(SUBJECTS[1]));
  assert.equal(calls.entry, 1);
  for (let k = 2; k < 102; k++) {
    sightline.set({panel: {...PANEL, k}});
    maps.find(SUBJECTS[1]);
  }
  sightline.set({panel: PANEL});
  maps.find(SUBJECTS[1]);
  assert.equal(calls.entry, 101 + 1, 'the first was dropped');
});

test('work that takes longer than a frame goes on in the next', () => {
  let arrivals = 0;
  const {source} = evidence({slices: 3}), maps = mapStore(source, server().fetch, () => { arrivals += 1; }, 'unreachable');
  for (let slice = 0; slice < 3; slice++) assert.equal(maps.find(SUBJECTS[0]), null);
  assert.equal(arrivals, 3);
  assert.ok(maps.find(SUBJECTS[0]).maps);
});

test('a refusal is kept until it is forgiven', () => {
  const {source, calls} = evidence({refused: {text: 'no', kind: 'error'}}), maps = mapStore(source, server().fetch, () => {}, 'unreachable');
  assert.equal(maps.find(SUBJECTS[0]).refused, maps.find(SUBJECTS[0]).refused);
  assert.equal(calls.entry, 1);
  maps.forgive();
  maps.find(SUBJECTS[0]);
  assert.equal(calls.entry, 2);
});

test('after a scale was added the evidence is asked for once more', () => {
  const {source, calls} = evidence({refused: {busy: 'adding', need: true}}), maps = mapStore(source, server().fetch, () => {}, 'unreachable');
  maps.find(SUBJECTS[1]);
  maps.refresh(SUBJECTS[1]);
  assert.deepEqual(calls.forgotten, ['run']);
});

test('rows of a word that was not said are brought, but not for the pointer', () => {
  const word = {at: 3, ids: [7]}, {source, calls} = evidence({lacking: [word]}), maps = mapStore(source, server().fetch, () => {}, 'unreachable');
  assert.equal(maps.find(word, false), null);
  assert.deepEqual(calls.brought, []);
  assert.equal(maps.find(word), null);
  assert.deepEqual(calls.brought, [['run', undefined, word]]);
});

test('maps that a model made come from the server, one subject at a time', async () => {
  both();
  let arrivals = 0;
  const {waiting, fetch, answer} = server(), maps = mapStore(evidence().source, fetch, () => { arrivals += 1; }, 'unreachable');
  assert.equal(maps.find(SUBJECTS[1]), undefined);
  assert.equal(maps.find(SUBJECTS[2]), undefined);
  assert.equal(waiting.length, 1);
  assert.deepEqual(waiting[0].request, {run: 'run', subjects: [SUBJECTS[1]], options: {eagle: {}}});
  await answer();
  const {maps: drawn, word, peaks} = maps.find(SUBJECTS[1]);
  assert.deepEqual([drawn.map(one => one.name), word, peaks, arrivals], [['tam', 'eagle'], 'word', [1], 1]);
  sightline.set({panel: {...PANEL, k: 9}});
  assert.equal(maps.find(SUBJECTS[1]).maps[0].value, 9);
  assert.equal(waiting.length, 0, 'a slider that is not theirs asks for nothing');
});

test('there is nothing to draw where nothing is computed or asked for', () => {
  const source = {...evidence().source, of: () => ({computing: null})};
  sightline.set({options: null});
  assert.equal(mapStore(source, server().fetch, () => {}, 'unreachable').find(SUBJECTS[1]), undefined);
});

test('those of all chips come by themselves, nearest first', async context => {
  both();
  context.mock.timers.enable({apis: ['setTimeout']});
  const {waiting, fetch, answer} = server(), maps = mapStore(evidence().source, fetch, () => {}, 'unreachable');
  maps.fillSoon();
  context.mock.timers.tick(249);
  assert.equal(waiting.length, 0);
  context.mock.timers.tick(1);
  assert.deepEqual(waiting[0].request.subjects.map(s => s.chip), [1, 0, 2, 3]);
  const some = ({subjects}) => ({maps: subjects.slice(0, 2).map(subject => ({subject, maps: [], peaks: []}))});
  await answer(some);
  assert.deepEqual(waiting[0].request.subjects.map(s => s.chip), [2, 3], 'the rest, in another batch');
  await answer(() => ({maps: []}));
  assert.equal(waiting.length, 0, 'what does not come is not asked for again and again');
  assert.equal(maps.here(), 2);
});

test('what the server refused is kept until it is forgiven', async () => {
  both();
  const {waiting, fetch, answer} = server(), maps = mapStore(evidence().source, fetch, () => {}, 'unreachable');
  maps.find(SUBJECTS[0]);
  await answer(() => ({text: 'no', kind: 'note'}));
  assert.equal(maps.find(SUBJECTS[0]).refused.text, 'no');
  assert.equal(waiting.length, 0);
  maps.forgive();
  maps.find(SUBJECTS[0]);
  waiting.shift().fail(new Error('offline'));
  await turn();
  assert.deepEqual([maps.find(SUBJECTS[0]).refused.text, maps.find(SUBJECTS[0]).refused.kind], ['unreachable', 'error']);
});

test('maps that a model has made meanwhile are asked for again', async () => {
  both();
  const {waiting, fetch, answer} = server(), maps = mapStore(evidence().source, fetch, () => {}, 'unreachable');
  maps.find(SUBJECTS[0]);
  await answer(({subjects: [subject]}) => ({maps: [{subject, maps: [map('eagle')], peaks: [], need: true}]}));
  assert.ok(maps.find(SUBJECTS[0]).need);
  maps.refresh(SUBJECTS[0]);
  maps.find(SUBJECTS[0]);
  assert.equal(waiting.length, 1);
});

test('the words of places are asked for once a run', async () => {
  const {waiting, fetch, answer} = server();
  let arrivals = 0;
  const wordsAt = placeWords(fetch, () => { arrivals += 1; });
  assert.deepEqual(wordsAt(0, {x: .9, y: .5}), []);
  assert.deepEqual(wordsAt(0, {x: .1, y: .5}), []);
  assert.equal(waiting.length, 1);
  const own = {shape: [1, 2], extent: [0, 0, 1, 1], frame: [0, 0, 1, 1], words: [0, 1, 2, 0]};
  await answer(() => ({images: [own], texts: ['cat', 'dog', 'sky']}));
  assert.equal(arrivals, 1);
  assert.deepEqual(wordsAt(0, {x: .1, y: .5}), ['cat', 'dog']);
  assert.deepEqual(wordsAt(0, {x: .9, y: .5}), ['sky', 'cat']);
  assert.deepEqual(wordsAt(0, {x: 1.5, y: .5}), []);
});
