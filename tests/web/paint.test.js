import assert from 'node:assert/strict';
import {test} from 'node:test';

import {axis, bytes, cellsOf, covering, readTables, sample} from '../../explainer/web/js/paint.js';
import {part, random, randomCells} from './helpers.js';

/** One pixel of a smooth map, as the formula says it: bilinear between the centres of cells. */
function smoothAt({shape: [h, w], cells, extent, frame}, x, y) {
  if (x < extent[0] || x >= extent[2] || y < extent[1] || y >= extent[3]) return -1;
  const keep = (value, most) => Math.min(most, Math.max(0, value));
  const column = keep((x - frame[0]) / (frame[2] - frame[0]) * w - .5, w - 1);
  const row = keep((y - frame[1]) / (frame[3] - frame[1]) * h - .5, h - 1);
  let sum = 0;
  for (let r = 0; r < h; r++) {
    for (let c = 0; c < w; c++) sum += cells[r * w + c] * Math.max(0, 1 - Math.abs(r - row)) * Math.max(0, 1 - Math.abs(c - column));
  }
  return sum;
}

test('bytes and colours are decoded', () => {
  assert.deepEqual([...bytes('AAH/')], [0, 1, 255]);
  const map = {data: 'AAH/'};
  assert.equal(cellsOf(map), cellsOf(map), 'once');
  const rgb = Uint8Array.from({length: 768}, (_, i) => i % 256), {table} = readTables({table: Buffer.from(rgb).toString('base64')});
  assert.equal(table.length, 256);
  assert.equal(table[1], 0xff050403, 'ABGR, as a little-endian canvas keeps RGBA');
});

test('a smooth map is bilinear between the centres of its cells', () => {
  const next = random(1);
  for (const [shape, frame, extent] of [
    [[3, 4], [0, 0, 1, 1], [0, 0, 1, 1]],
    [[5, 2], [-.1, 0, 1.2, 1], [0, 0, 1, 1]],
    [[1, 1], [0, 0, 1, 1], [0, 0, 1, 1]],
    [[4, 4], [.25, .1, .75, .9], [.25, .1, .75, .9]],
  ]) {
    const map = part(shape, randomCells(next, shape[0] * shape[1]), {frame, extent}), [width, height] = [23, 17];
    const steps = sample(map, width, height, 'smooth');
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const expected = smoothAt(map, (x + .5) / width, (y + .5) / height);
        assert.ok(Math.abs(steps[y * width + x] - expected) < 1e-3, `${shape} at ${x},${y}`);
      }
    }
  }
});

test('a map of cells shows each cell as it is', () => {
  const steps = sample(part([2, 2], [10, 20, 30, 40]), 4, 4, 'cells');
  assert.deepEqual([...steps], [10, 10, 20, 20, 10, 10, 20, 20, 30, 30, 40, 40, 30, 30, 40, 40]);
});

test('what was not seen is marked', () => {
  const {low} = axis(4, [.25, .75], [.25, .75], 2, 'cells');
  assert.deepEqual([...low], [-1, 0, 1, -1]);
});

test('colours that cover by value are clear at 0 and full from half on', () => {
  const {table} = readTables({table: Buffer.from(Uint8Array.from({length: 768}, (_, i) => i % 251)).toString('base64')});
  assert.equal(covering(table, false, 'all'), table);
  assert.equal(covering(table, false, 'value'), covering(table, false, 'value'), 'the same, so that nothing is drawn twice');
  const alphas = signed => [...covering(table, signed, 'value')].map(pixel => pixel >>> 24);
  assert.deepEqual([0, 1, 64, 127, 128, 255].map(i => alphas(false)[i]), [0, 2, 128, 254, 255, 255]);
  assert.deepEqual([0, 63, 64, 127, 128, 192, 255].map(i => alphas(true)[i]), [255, 255, 254, 2, 2, 255, 255]);
  assert.deepEqual(covering(table, true, 'value').map(pixel => pixel & 0xffffff), table.map(pixel => pixel & 0xffffff));
});
