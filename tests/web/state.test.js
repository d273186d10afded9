import assert from 'node:assert/strict';
import {test} from 'node:test';

import {canonical, sightline} from '../../explainer/web/js/state.js';

test('equal values have equal keys, whatever the order of their names', () => {
  assert.equal(canonical({b: [1, {d: 2, c: 3}], a: null}), '{"a":null,"b":[1,{"c":3,"d":2}]}');
  assert.equal(canonical({minus: {chip: 2}, plus: {chip: 1}}), canonical({plus: {chip: 1}, minus: {chip: 2}}));
  assert.notEqual(canonical([1, 2]), canonical([2, 1]), 'the order of a list counts');
});

test('a listener is called at once, and then for the values that it names', () => {
  sightline.set({});  // settings of nothing have a key, too
  const heard = [];
  sightline.on('run subject', changed => heard.push(changed));
  sightline.set({run: 'r', image: 0});
  sightline.set({image: 1});
  sightline.set({run: 'r'});
  sightline.set({subject: {chip: 3}, run: 's'});
  assert.deepEqual(heard, [[], ['run'], ['subject', 'run']]);
});

test('settings change with the panel and the options, once for equal values', () => {
  const heard = [];
  sightline.on('settings', changed => heard.push(changed.includes('settings')));
  sightline.set({panel: {alphas: [[1, true]], k: 50, beta: null}});
  const {settings} = sightline.now;
  sightline.set({panel: {beta: null, k: 50, alphas: [[1, true]]}});
  assert.equal(sightline.now.settings, settings);
  sightline.set({options: {tam: {}}});
  assert.notEqual(sightline.now.settings, settings);
  assert.deepEqual(heard, [false, true, true]);
});

test('a value that the state does not list is refused, and nothing is changed', () => {
  assert.throws(() => sightline.set({image: 7, colour: 'jet'}), /does not list colour/);
  assert.notEqual(sightline.now.image, 7);
});

test('the layer goes into every subject and its key', () => {
  sightline.set({extra: {layer: 4}});
  assert.deepEqual(sightline.whole({chip: 1}), {chip: 1, layer: 4});
  assert.equal(sightline.key({chip: 1}), '{"chip":1,"layer":4}');
  assert.equal(sightline.key(null), null);
  sightline.set({extra: {}});
});

test('keys are left to fields, and to shortcuts of the browser', () => {
  const press = (inField, more = {}) => ({target: {closest: () => inField ? {} : null}, ...more});
  assert.equal(sightline.free(press(false)), true);
  assert.equal(sightline.free(press(true)), false);
  for (const key of ['ctrlKey', 'metaKey', 'altKey', 'defaultPrevented']) assert.equal(sightline.free(press(false, {[key]: true})), false);
  assert.equal(sightline.free({target: {}}), true, 'the document itself has no closest()');
});
