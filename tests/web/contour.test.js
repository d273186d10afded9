import assert from 'node:assert/strict';
import {test} from 'node:test';

import {cellOutline, smoothOutline} from '../../explainer/web/js/contour.js';
import {random, randomCells} from './helpers.js';

const anywhere = place => place;
const segments = path => path.split('M').slice(1).map(line => line.split('L').map(place => place.split(',').map(Number)));

test('the outline of cells runs along the edges between inside and outside', () => {
  assert.equal(cellOutline([0, 9, 0, 0], [2, 2], 5, anywhere), 'M1,0H2M1,0V1M2,0V1M1,1H2');
  assert.equal(cellOutline([0, 0, 0, 0], [2, 2], 5, anywhere), '');
  assert.equal(cellOutline([5], [1, 1], 5, anywhere), '', 'inside is above the level');
});

test('the outline of cells has one edge for each pair of neighbours that differ', () => {
  const next = random(2), [h, w] = [5, 7], cells = randomCells(next, h * w), level = 128;
  const inside = (r, c) => r >= 0 && c >= 0 && r < h && c < w && cells[r * w + c] > level;
  let edges = 0;
  for (let r = 0; r <= h; r++) for (let c = 0; c <= w; c++) edges += (inside(r, c) !== inside(r - 1, c)) + (inside(r, c) !== inside(r, c - 1));
  assert.equal(cellOutline(cells, [h, w], level, anywhere).split('M').length - 1, edges);
});

test('the smooth outline is closed, and lies where the map crosses the level', () => {
  const next = random(3), [h, w] = [6, 5], cells = randomCells(next, h * w), level = 120;
  const at = (r, c) => r < 0 || c < 0 || r >= h || c >= w ? -1 : cells[r * w + c], ends = new Map();
  const lines = segments(smoothOutline(cells, [h, w], level, anywhere));
  assert.ok(lines.length > 10);
  for (const [x, y] of lines.flat()) {
    const [c, r] = [x - .5, y - .5], [c0, r0] = [Math.floor(c + 1e-9), Math.floor(r + 1e-9)], [u, v] = [c - c0, r - r0];
    const value = Math.abs(v) < 1e-6 ? at(r0, c0) * (1 - u) + at(r0, c0 + 1) * u : at(r0, c0) * (1 - v) + at(r0 + 1, c0) * v;
    assert.ok(Math.abs(value - (level + .5)) < .3, `${value} at ${x},${y}`);  // places have three decimals
    ends.set(`${x},${y}`, (ends.get(`${x},${y}`) ?? 0) + 1);
  }
  for (const [place, count] of ends) assert.equal(count % 2, 0, `an end at ${place}`);
});
