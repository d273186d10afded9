import assert from 'node:assert/strict';
import {beforeEach, test} from 'node:test';

import {mapStore} from '../../explainer/web/js/maps.js';
import {placeWords} from '../../explainer/web/js/places.js';
import {sightline} from '../../explainer/web/js/state.js';

const SUBJECTS = [0, 1, 2, 3].map(chip => ({chip}));
const entryOf = subject => ({subject, maps: [{name: 'tam', parts: [{data: 'AAAA'}]}]});
const turn = () => new Promise(done => setImmediate(done));

/** A server whose answers come when the test says so. */
function server() {
  const waiting = [];
  return {
    waiting,
    fetch: request => new Promise((answer, fail) => waiting.push({request, answer, fail})),
    async answer(make = ({subjects}) => ({maps: subjects.map(entryOf)})) {
      const {request, answer} = waiting.shift();
      answer(make(request));
      await turn();
    },
  };
}

beforeEach(() => sightline.set({
  run: 'run', subject: SUBJECTS[1], subjects: SUBJECTS, extra: {}, panel: {alphas: [[1, true]], k: 1, beta: null}, options: {tam: {}},
}));

test('one subject is asked for at a time, and found once it came', async () => {
  const {waiting, fetch, answer} = server();
  let arrivals = 0;
  const maps = mapStore(fetch, () => { arrivals += 1; }, 'unreachable');
  maps.ask(SUBJECTS[1]);
  maps.ask(SUBJECTS[2]);
  assert.equal(waiting.length, 1);
  assert.deepEqual(waiting[0].request.subjects, [SUBJECTS[1]]);
  assert.equal(maps.find(SUBJECTS[1]), undefined);
  await answer();
  assert.deepEqual(maps.find(SUBJECTS[1]).subject, SUBJECTS[1]);
  assert.deepEqual([arrivals, maps.here()], [1, 1]);
});

test('maps of other settings are not found, even if their answer comes late', async () => {
  const {fetch, answer} = server(), maps = mapStore(fetch, () => {}, 'unreachable');
  maps.ask(SUBJECTS[0]);
  const {panel} = sightline.now;
  sightline.set({panel: {...panel, k: 2}});
  await answer();
  assert.equal(maps.find(SUBJECTS[0]), undefined);
  sightline.set({panel});
  assert.ok(maps.find(SUBJECTS[0]).maps);
});

test('the maps of all chips come by themselves, nearest first', async context => {
  context.mock.timers.enable({apis: ['setTimeout']});
  const {waiting, fetch, answer} = server(), maps = mapStore(fetch, () => {}, 'unreachable');
  maps.fillSoon();
  context.mock.timers.tick(249);
  assert.equal(waiting.length, 0);
  context.mock.timers.tick(1);
  assert.deepEqual(waiting[0].request.subjects.map(s => s.chip), [1, 0, 2, 3]);
  await answer(({subjects}) => ({maps: subjects.slice(0, 2).map(entryOf)}));
  assert.deepEqual(waiting[0].request.subjects.map(s => s.chip), [2, 3], 'the rest, in another batch');
  await answer(() => ({maps: []}));
  assert.equal(waiting.length, 0, 'what does not come is not asked for again and again');
  assert.equal(maps.here(), 2);
});

test('what was refused is kept until it is forgiven', async () => {
  const {waiting, fetch, answer} = server(), maps = mapStore(fetch, () => {}, 'unreachable');
  maps.ask(SUBJECTS[0]);
  await answer(() => ({text: 'no', kind: 'note'}));
  assert.equal(maps.find(SUBJECTS[0]).refused.text, 'no');
  maps.forgive();
  assert.equal(maps.find(SUBJECTS[0]), undefined);
  maps.ask(SUBJECTS[0]);
  waiting.shift().fail(new Error('offline'));
  await turn();
  assert.deepEqual([maps.find(SUBJECTS[0]).refused.text, maps.find(SUBJECTS[0]).refused.kind], ['unreachable', 'error']);
});

test('maps that lack something can be renewed', async () => {
  const {fetch, answer} = server(), maps = mapStore(fetch, () => {}, 'unreachable');
  maps.ask(SUBJECTS[0]);
  await answer(({subjects}) => ({maps: subjects.map(s => ({...entryOf(s), need: true}))}));
  maps.renew(SUBJECTS[0]);
  assert.equal(maps.find(SUBJECTS[0]), undefined);
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
