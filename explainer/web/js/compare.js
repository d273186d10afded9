// Which maps are drawn: all side by side, two by turns in one frame, or what one has above
// another.
import {fill, make} from './dom.js';
import {cellAt, middleOf, valueAt} from './probe.js';
import {sightline} from './state.js';
import {choose, tool} from './toolbar.js';

/**
 * Subtract map `b` from map `a` on one image, on the cells of `a`.
 * @param {{map: MethodMap, part: MapPart}} a
 * @param {{map: MethodMap, part: MapPart}} b
 * @returns {Float32Array} 0 where `b` saw nothing
 */
export function partDifference(a, b) {
  const [h, w] = a.part.shape, out = new Float32Array(h * w);
  for (let r = 0, at = 0; r < h; r++) {
    for (let c = 0; c < w; c++, at++) {
      const other = cellAt(b.part, middleOf(a.part, [r, c]));
      out[at] = other ? valueAt(a.map, a.part, [r, c]) - valueAt(b.map, b.part, other) : 0;
    }
  }
  return out;
}

/**
 * Return the difference of two maps as a map whose full colours are its largest value.
 * @param {MethodMap} a
 * @param {MethodMap} b
 * @param {ViewWords} text
 * @returns {MethodMap}
 */
export function difference(a, b, text) {
  const parts = a.parts.map((part, i) => partDifference({map: a, part}, {map: b, part: b.parts[i]}));
  const full = Math.max(...parts.map(values => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0))) || 1;
  /** @type {(words: string) => string} */
  const put = words => fill(words, {a: a.label, b: b.label, full: full.toFixed(2)});
  return {
    name: 'difference', label: `${a.label} − ${b.label}`, note: '', signed: true, full, norm: put(text.differenceNorm),
    parts: parts.map((values, i) => ({
      shape: a.parts[i].shape, extent: a.parts[i].extent, frame: a.parts[i].frame, alt: put(text.differenceAlt),
      cells: Float32Array.from(values, v => 127.5 + 127.5 * v / full),
    })),
  };
}

/**
 * Create the controls that choose which maps are drawn.
 * @param {ViewWords} text
 * @returns {{arrange(entry: Entry): MethodMap[], box: HTMLElement}} `arrange` gives the maps to draw
 */
export function comparing(text) {
  /** @type {WeakMap<Entry, Map<string, MethodMap>>} */
  const known = new WeakMap();  // differences
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  let timer = 0;
  const how = choose(text.compare, text.compareHow, compare => sightline.set({compare}));
  const first = choose(text.first, {}, a => sightline.set({pair: [a, pair()[1]]}));
  const second = choose(text.second, {}, b => sightline.set({pair: [pair()[0], b]}));
  const flip = tool(text.flip, text.flipLong, () => sightline.set({flipped: !sightline.now.flipped}));
  const box = make('div', 'sl-compare');
  box.append(how.box, first.box, second.box, flip);

  // The two that are compared: those chosen, as long as they are shown, else the first two.
  /** @type {() => string[]} */
  function pair() {
    const names = sightline.now.methods, chosen = (sightline.now.pair ?? []).filter(name => names.includes(name));
    return [...new Set([...chosen, ...names])].slice(0, 2);
  }

  sightline.on('compare methods pair entry', () => {
    const {compare, methods, entry} = sightline.now, two = compare !== 'side' && methods.length > 1, names = pair();
    const labels = Object.fromEntries(methods.map(name => [name, entry?.maps.find(map => map.name === name)?.label ?? name]));
    how.put(compare);
    how.list.disabled = methods.length < 2;
    [first, second].forEach((part, i) => {
      part.box.hidden = !two;
      part.list.replaceChildren(...Object.entries(labels).map(([name, label]) => new Option(label, name)));
      part.put(names[i]);
    });
    flip.hidden = !two;
  });
  sightline.on('compare', () => {
    clearInterval(timer);
    if (sightline.now.compare !== 'blink' || still.matches) return;
    timer = setInterval(() => sightline.set({flipped: !sightline.now.flipped}), 800);
  });

  /** @type {(entry: Entry) => MethodMap[]} */
  function arrange(entry) {
    const {compare, flipped} = sightline.now;
    let names = pair();
    if (flipped) names = names.reverse();
    const [a, b] = names.map(name => entry.maps.find(map => map.name === name));
    if (compare === 'side' || !a?.parts.length || !b?.parts.length) return entry.maps;
    if (compare === 'blink') return [{...a, name: 'blink', parts: a.parts}];
    const here = known.get(entry) ?? new Map(), key = names.join(), made = here.get(key) ?? difference(a, b, text);
    known.set(entry, here.set(key, made));
    return [made];
  }
  return {arrange, box};
}
