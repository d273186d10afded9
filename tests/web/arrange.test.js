import assert from 'node:assert/strict';
import {test} from 'node:test';
import {arrange} from '../../explainer/web/js/arrange.js';

const ROOM = {width: 1220, height: 550, around: 50, gap: 10};

test('square maps stand side by side', () => {
  assert.deepEqual(arrange(3, 1, ROOM), {columns: 3, down: 1, across: 1, large: 400, small: 400});
});

test('tall maps are as tall as the room', () => {
  const {columns, large} = arrange(3, 2 / 3, ROOM);
  assert.equal(columns, 3);
  assert.equal(large, 500 * 2 / 3);
});

test('of wide maps the first is large, with the others in a column beside it', () => {
  const {columns, down, across, large, small} = arrange(3, 16 / 9, ROOM);
  assert.deepEqual([columns, down, across], [2, 2, 1]);
  assert.ok(large > 1.9 * small && large + small + ROOM.gap <= ROOM.width + 1e-9);
  assert.ok(2 * (small * 9 / 16 + ROOM.around) + ROOM.gap <= ROOM.height + 1e-9);
});

test('very wide maps stand in rows', () => {
  assert.equal(arrange(2, 4, ROOM).columns, 1);
  assert.equal(arrange(2, 4, ROOM).large, 4 * (270 - 50));
});

test('whatever the shape, all maps fit', () => {
  for (const count of [1, 2, 3, 4, 5]) for (const ratio of [.2, .5, 1, 1.5, 3, 8]) {
    const {columns, down, across, large, small} = arrange(count, ratio, ROOM), {width, height, around, gap} = ROOM;
    const tall = wide => wide / ratio + around, column = n => n * tall(small) + (n - 1) * gap, name = `${count} of ${ratio}`;
    const wide = down > 1 ? large + gap + small : Math.max(large, (across > 1 ? count - 1 : columns) * (small + gap) - gap);
    const high = down > 1 ? Math.max(tall(large), column(count - 1)) : across > 1 ? tall(large) + gap + tall(small) : column(Math.ceil(count / columns));
    assert.ok(small > 0 && wide <= width + 1e-6 && high <= height + 1e-6, name);
  }
});
