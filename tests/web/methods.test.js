// The methods in the page on numbers worked out by hand.
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {settingsOf} from '../../explainer/web/js/methods/base.js';
import {jointRange, stretch} from '../../explainer/web/js/methods/display.js';
import {rankGaussian, zeroDeviation} from '../../explainer/web/js/methods/filters.js';
import {atPixels, divided, placement, resampler, wholeEdges} from '../../explainer/web/js/methods/geometry.js';
import {bestBeta, subtract, weightedMean} from '../../explainer/web/js/methods/interference.js';
import {gains, rbo} from '../../explainer/web/js/methods/rbo.js';
import {readEvidence, Refusal} from '../../explainer/web/js/methods/run.js';
import {sum} from '../../explainer/web/js/methods/sums.js';

const near = (got, wanted) => {
  assert.equal(got.length, wanted.length);
  wanted.forEach((value, i) => assert.ok(Math.abs(got[i] - value) < 1e-6, `${[...got]} for ${wanted}`));
};

test('overlap of ranked lists', () => {
  const [one, other] = [[1, 2, 3], [1, 3, 2]];  // agreement 1, 1/2, 1
  near(rbo(one, [other, one, [7, 8, 9]], .5, 'normalised'), [.75 / .875, 1, 0]);
  near(rbo(one, [other], .5, 'truncated'), [.75]);
  near(rbo(one, [other], .5, 'extrapolated'), [.875]);
  near(rbo(one, [other], .5, 'average'), [2.5 / 3]);
  near(gains(3, .5, 'truncated'), [.5 + .125 + 1 / 24, .125 + 1 / 24, 1 / 24, 0]);
});

test('what earlier words explain is subtracted', () => {
  const maps = [Float32Array.of(4, 0), Float32Array.of(0, 4)];
  near(weightedMean([1, 3], i => maps[i], 2), [1, 3]);
  near(weightedMean([0, 0], i => maps[i], 2), [0, 0]);
  const map = Float32Array.of(1, 2), interference = Float64Array.of(2, 2);
  assert.equal(bestBeta(map, interference), .75);
  assert.equal(bestBeta(map, Float64Array.of(0, 0)), 0);
  near(subtract(map, interference, .75), [0, .5]);
});

test('the rank Gaussian filter', () => {
  const lone = Float32Array.of(0, 0, 0, 0, 9, 0, 0, 0, 0), shape = [3, 3];
  assert.ok(Math.abs(rankGaussian(lone, shape, 3, 'inside')[4] - .524563) < 1e-6, 'mu = 1, cv^2 = 8');
  assert.equal(rankGaussian(lone, shape, 1, 'edge'), lone);
  near(rankGaussian(new Float32Array(9).fill(.5), shape, 5, 'mirror'), new Array(9).fill(.5));
  near(rankGaussian(Float32Array.of(1, 3), [1, 2], 3, 'inside'), [2, 2]);
  assert.deepEqual([...zeroDeviation(new Float32Array(9).fill(.5), shape, 3)], new Array(9).fill(1));
  assert.deepEqual([...zeroDeviation(new Float32Array(9).fill(.9), shape, 3)], new Array(9).fill(0), 'nine times 0.9 is not 8.1');
});

test('maps are read from one grid on another', () => {
  const two = {y: [0, 4], x: [0, 2, 4]}, four = {y: [0, 4], x: [0, 1, 2, 3, 4]}, values = Float32Array.of(0, 4);
  near(resampler(two, four, 'bilinear')(values), [0, 1, 3, 4]);
  near(resampler(two, four, 'nearest')(values), [0, 0, 4, 4]);
  near(resampler(four, two, 'bilinear')(Float32Array.of(1, 1, 3, 3)), [1.25, 2.75]);
  near(resampler(two, four, 'bicubic')(Float32Array.of(5, 5)), [5, 5, 5, 5]);
});

test('cells that are cut down to the picture', () => {
  near(wholeEdges([0, 1, 5, 9, 11]), [-3, 1, 5, 9, 13]);
  assert.deepEqual(placement({y: [0, 4], x: [0, 1, 5, 9, 11]}), {extent: [0, 0, 11, 4], frame: [-3, 0, 13, 4]});
  near(divided({y: [0, 4], x: [0, 1, 5, 9, 11]}, 2).x, [0, 1, 3, 5, 7, 9, 11]);
  assert.equal(atPixels({y: [0, 4], x: [0, 1, 5, 9, 11]}).x.length, 12);
  assert.equal(atPixels({y: [0, 1000], x: [0, 1000]}).x.length, 334, 'cells of three pixels');
});

test('ranges', () => {
  near(stretch(Float32Array.of(1, 2, 3), 1, 3), [0, .5, 1]);
  near(stretch(Float32Array.of(2, 2), 2, 2), [0, 0]);
  assert.deepEqual(jointRange(Float32Array.of(1, 2), Float32Array.of(-1, 0, 9), [false, true, false]), [0, 2]);
});

test('sums are taken in the order of numpy', () => {
  const {fround} = Math;
  assert.equal(sum([1, 2, 3]), 6);
  assert.equal(sum(Array.from({length: 300}, (_, i) => i)), 44850);
  assert.equal(sum(Array(9).fill(fround(.9)), fround), fround(8.099999), 'in float32');
});

test('values of knobs are checked', () => {
  const knobs = [
    {name: 'k', kind: 'int', default: 50, low: 1, high: 200, step: 1},
    {name: 'window', kind: 'int', default: 3, low: 1, high: 5, step: 2},
    {name: 'beta', kind: 'float', default: null, low: 0, high: 2, step: .05},
    {name: 'fuse', kind: 'choice', default: 'mean', choices: ['mean', 'max']},
    {name: 'scales', kind: 'scales', default: [1], low: .25, high: 1.5, step: .05, most: 2},
    {name: 'weights', kind: 'weights', default: null, low: 0, high: 2, step: .05, most: 2},
  ];
  const method = {name: 'm', label: 'M', knobs, presets: {paper: {k: 7}}, held: {}}, of = (told, preset = null) => settingsOf(method, told, preset);
  assert.deepEqual(of({}), {k: 50, window: 3, beta: null, fuse: 'mean', scales: [1], weights: null});
  assert.deepEqual([of({}, 'paper').k, of({k: 9}, 'paper').k, of({beta: .5}).beta], [7, 9, .5]);
  assert.deepEqual(of({scales: [1, .5, 1]}).scales, [1, .5]);
  for (const [told, why] of [
    [{k: 201}, 'k must lie in 1..200, got 201'], [{k: 1.5}, 'k is a whole number, got 1.5'], [{window: 2}, 'window must be one of 1, 3, ... 5, got 2'],
    [{beta: NaN}, /beta must lie in 0..2/], [{k: '7'}, /k is a number/], [{fuse: 'min'}, "fuse must be one of mean, max, got 'min'"],
    [{scales: []}, 'scales takes 1 to 2 factors, got 0'], [{weights: [0, 0]}, 'weights: at least one weight must be above 0'],
    [{depth: 1}, /m has no knob 'depth'/],
  ]) assert.throws(() => of(told), error => error instanceof Refusal && (why instanceof RegExp ? why.test(error.message) : why === error.message), JSON.stringify(told));
  assert.throws(() => of({}, 'other'), /m has no preset 'other'; it has paper/);
});

test('what is no evidence is refused', () => {
  assert.throws(() => readEvidence(new Uint8Array(16).buffer), /no evidence of version 2/);
});
