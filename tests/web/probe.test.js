import assert from 'node:assert/strict';
import {test} from 'node:test';

import {difference, partDifference} from '../../explainer/web/js/compare.js';
import {cellAt, middleOf, valueAt} from '../../explainer/web/js/probe.js';
import {part} from './helpers.js';

const TEXT = {differenceNorm: '{full}', differenceAlt: '{a} {b}'};

test('a place lies in the cell whose middle leads back to it', () => {
  const map = part([3, 4], Array(12).fill(0), {frame: [-.1, 0, 1.1, 1.2], extent: [0, 0, 1, 1]});
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 4; column++) assert.deepEqual(cellAt(map, middleOf(map, [row, column])), [row, column]);
  }
});

test('nothing was seen outside of the extent', () => {
  const map = part([2, 2], [0, 0, 0, 0], {extent: [.2, .2, .8, .8], frame: [.2, .2, .8, .8]});
  assert.equal(cellAt(map, {x: .1, y: .5}), null);
  assert.deepEqual(cellAt(map, {x: .8, y: .2}), [0, 1]);
});

test('a value is a share of the largest step, and of both sides if it is signed', () => {
  const own = part([1, 3], [0, 51, 255]);
  assert.deepEqual([0, 1, 2].map(c => valueAt({}, own, [0, c])), [0, .2, 1]);
  assert.deepEqual([0, 1, 2].map(c => valueAt({signed: true}, own, [0, c])), [-1, -.6, 1]);
});

test('maps of different grids are subtracted place by place', () => {
  const fine = part([2, 2], [255, 0, 0, 51]), coarse = part([1, 1], [51]);
  const values = partDifference({map: {}, part: fine}, {map: {}, part: coarse});
  assert.deepEqual([...values].map(v => Number(v.toFixed(6))), [.8, -.2, -.2, 0]);
  const whole = difference({label: 'A', parts: [fine]}, {label: 'B', parts: [coarse]}, TEXT);
  assert.deepEqual([whole.norm, whole.parts[0].alt, whole.signed], ['0.80', 'A B', true]);
  assert.deepEqual([...whole.parts[0].cells], [255, 95.625, 95.625, 127.5]);
});

test('equal maps have a difference of zero, not of NaN', () => {
  const map = {label: 'A', parts: [part([1, 2], [0, 255])]};
  assert.deepEqual([...difference(map, map, TEXT).parts[0].cells], [127.5, 127.5]);
});
