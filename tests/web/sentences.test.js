import assert from 'node:assert/strict';
import {test} from 'node:test';

import {sentences} from '../../explainer/web/js/sentences.js';

/** @type {(...texts: string[]) => string[][]} */
const cut = (...texts) => sentences(texts.map((text, index) => ({index, text}))).map(one => one.map(item => item.text));

test('a text is cut after the marks that end sentences', () => {
  assert.deepEqual(cut('A', 'cat', '.', 'Is', 'it', '?', 'Yes'), [['A', 'cat', '.'], ['Is', 'it', '?'], ['Yes']]);
  assert.deepEqual(cut('猫', '。', '犬'), [['猫', '。'], ['犬']]);
  assert.deepEqual(cut('one', '⏎', 'two'), [['one', '⏎'], ['two']]);
});

test('a quote that closes belongs to the sentence before it', () => {
  assert.deepEqual(cut('"', 'Hi', '.', '"', 'he', 'said'), [['"', 'Hi', '.', '"'], ['he', 'said']]);
});

test('a text without an end is cut at a length, and none of it is lost', () => {
  const words = Array.from({length: 200}, (_, i) => `w${i}`);
  const found = cut(...words);
  assert.deepEqual(found.flat(), words);
  assert.ok(found.length > 1 && found.every(one => one.length <= 80));
});
