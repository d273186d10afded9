import assert from 'node:assert/strict';
import {test} from 'node:test';

import {snap} from '../../explainer/web/js/dial.js';
import {along, fill} from '../../explainer/web/js/dom.js';
import {FORMULAS} from '../../explainer/web/js/steps/formula.js';
import {topFor} from '../../explainer/ui/sections/map_test/plot.js';
import {sightline} from '../../explainer/web/js/state.js';
import {clamp, placeAt, shareOf, zoomAt, zoomTo} from '../../explainer/web/js/zoom.js';

test('places of a text are filled in', () => {
  assert.equal(fill('{a} and {b}, {a}', {a: 1, b: '{a}'}), '1 and {a}, 1');
});

test('arrows, Home and End lead along a list and stop at its ends', () => {
  const press = (key, more = {}) => ({key, preventDefault() {}, ...more});
  assert.deepEqual(['ArrowRight', 'ArrowDown', 'ArrowLeft', 'ArrowUp', 'Home', 'End'].map(key => along(press(key), 1, 3)), [2, 2, 0, 0, 0, 3]);
  assert.equal(along(press('ArrowRight'), 3, 3), 3);
  assert.equal(along(press('a'), 1, 3), null);
  assert.equal(along(press('ArrowRight', {ctrlKey: true}), 1, 3), null);
});

test('a slider takes the nearest step within its bounds, without digits of rounding', () => {
  const bounds = {low: .1, high: 2, step: .05};
  assert.deepEqual([.13, .29999, 7, -3].map(value => snap(value, bounds)), [.15, .3, 2, .1]);
  assert.equal(snap(7.6, {low: 1, high: 100, step: 1}), 8);
});

test('the top of an axis is the lowest that holds all values', () => {
  assert.deepEqual([1, .51, .5, .03, .0001, 1.2].map(topFor), [1, 1, .5, .05, .002, 1]);
});

test('zooming keeps the place under the pointer, and never leaves the picture', () => {
  sightline.set({zoom: {scale: 1, x: .5, y: .5}});
  const frame = {getBoundingClientRect: () => ({left: 10, top: 20, width: 200, height: 100})}, event = {clientX: 110, clientY: 45};
  const place = placeAt(frame, event);
  assert.deepEqual(place, {x: .5, y: .25});
  zoomAt(place, 2);
  assert.deepEqual(placeAt(frame, event), place);
  assert.deepEqual(shareOf(place), {x: .5, y: .25});
  zoomTo(4, 0, 1);
  assert.deepEqual(sightline.now.zoom, {scale: 4, x: .125, y: .875});
  zoomTo(99, .5, .5);
  assert.equal(sightline.now.zoom.scale, 12);
  zoomTo(.5);
  assert.deepEqual(sightline.now.zoom, {scale: 1, x: .5, y: .5});
  assert.equal(clamp(5, 0, 1), 1);
});

test('formulas have the number of an equation, and as many parts as their MathML elements take', () => {
  const parts = {mfrac: 2, msub: 2, msup: 2, msubsup: 3, mover: 2, munder: 2};
  const check = node => {
    if (!Array.isArray(node)) return assert.equal(typeof node, 'string');
    const [tag, ...inside] = node;
    assert.ok(tag === 'mrow' || inside.length === parts[tag], `${tag} with ${inside.length} parts`);
    return inside.forEach(check);
  };
  for (const [number, ...nodes] of Object.values(FORMULAS)) {
    assert.match(number, /^\d$/);
    nodes.forEach(check);
  }
});
