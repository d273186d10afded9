// A plot of probabilities over a share of the picture, as SVG. Lines differ in colour and in
// dashes, and carry their names.
import {make} from '../../../web/js/dom.js';

/** @typedef {CurveLine & {at: number | null, points: [number, number][]}} DrawnLine a line with its number, null for chance, and its places */

const SVG = 'http://www.w3.org/2000/svg', WIDEST = 440, HIGH = 290, LEFT = 46, RIGHT = 12, TOP = 12, BOTTOM = 50;
const CHAR = 8.2, TALL = 19;  // about the size of a letter, in units of the plot

/** @type {(tag: string, attributes: Record<string, string | number>, ...content: (string | Node)[]) => SVGElement} */
function node(tag, attributes, ...content) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...content);
  return made;
}

/** @type {(at: number | null) => string} */
const lineClass = at => `sl-line ${at === null ? 'sl-line-chance' : `sl-line-${at % 6}`}`;

/**
 * Create a piece of a line, to stand beside its name in a table.
 * @param {number | null} at the line's number; null for chance
 * @returns {SVGElement}
 */
export function swatch(at) {
  return node('svg', {class: 'sl-sample', viewBox: '0 0 34 10', 'aria-hidden': 'true'}, node('path', {class: lineClass(at), d: 'M2 5H32'}));
}

/**
 * Return the top of an axis for values up to `most`.
 * @param {number} most
 * @returns {number}
 */
export function topFor(most) {
  return [1, .5, .2, .1, .05, .02, .01, .005, .002].findLast(top => top >= most) ?? 1;
}

/**
 * Create a figure of curves.
 * @param {CurveChart} chart
 * @param {'insertion' | 'deletion'} name of the curves in it
 * @param {{title: string, below: string, alt: string, width: number}} words and the width of their place
 * @returns {HTMLElement}
 */
export function plot({lines, chance}, name, {title, below, alt, width}) {
  const wide = Math.min(WIDEST, width || WIDEST);
  const all = [...lines, ...(chance ? [chance] : [])];
  const top = topFor(Math.max(...all.flatMap(l => l[name]), ...(chance ? chance.high[name] : [])));
  /** @type {(share: number) => number} */
  const x = share => LEFT + share * (wide - LEFT - RIGHT);
  /** @type {(p: number) => number} */
  const y = p => HIGH - BOTTOM - p / top * (HIGH - TOP - BOTTOM);
  /** @type {(shares: number[], values: number[]) => string} */
  const path = (shares, values) => shares.map((share, i) => `${i ? 'L' : 'M'}${x(share).toFixed(1)} ${y(values[i]).toFixed(1)}`).join('');
  const drawing = node('svg', {class: 'sl-plot', viewBox: `0 0 ${wide} ${HIGH}`, role: 'img', 'aria-label': alt}, axes());
  if (chance) {
    const back = [...chance.share].reverse(), low = [...chance.low[name]].reverse();
    drawing.append(node('path', {class: 'sl-band', d: `${path(chance.share, chance.high[name])}${path(back, low).replace('M', 'L')}Z`}));
  }
  /** @type {DrawnLine[]} */
  const drawn = all.map((line, i) => ({...line, at: i < lines.length ? i : null, points: line.share.map((s, j) => [x(s), y(line[name][j])])}));
  drawing.append(...drawn.map(line => node('path', {class: lineClass(line.at), d: path(line.share, line[name])})), ...names(drawn, wide));
  const figure = make('figure', 'sl-proof-plot');
  figure.append(make('figcaption', '', title), drawing);
  return figure;

  /** @type {() => SVGElement} */
  function axes() {
    const marks = [0, .25, .5, .75, 1];
    /** @type {(share: number) => string} */
    const percent = share => `${+(100 * share).toPrecision(3)} %`;
    return node('g', {class: 'sl-axes'},
      ...marks.map(part => node('path', {d: `M${LEFT} ${y(part * top)}H${wide - RIGHT}`})),
      ...marks.filter(part => part !== .25 && part !== .75).map(part =>
        node('text', {x: LEFT - 6, y: y(part * top) + 5, 'text-anchor': 'end'}, percent(part * top))),
      ...marks.map(part => node('text', {x: x(part), y: HIGH - BOTTOM + 20, 'text-anchor': part === 1 ? 'end' : 'middle'}, percent(part))),
      node('text', {x: x(.5), y: HIGH - 8, 'text-anchor': 'middle'}, below));
  }
}

// The name of each line where it hides least: away from all lines but near its own.
/** @type {(lines: DrawnLine[], wide: number) => SVGElement[]} */
function names(lines, wide) {
  const dense = lines.map(({points}) => points.slice(1).flatMap(([x, y], i) =>
    [0, .25, .5, .75, 1].map(t => [points[i][0] + t * (x - points[i][0]), points[i][1] + t * (y - points[i][1])])));
  /** @type {{left: number, high: number, long: number}[]} */
  const taken = [];
  return lines.map(({label, at}, own) => {
    const long = label.length * CHAR;
    /** @type {[number, number][]} */
    const places = dense[own].flatMap(([px, py]) => /** @type {[number, number][]} */ ([[px - long / 2, py - 6 - TALL], [px - long / 2, py + 6], [px + 8, py - TALL / 2], [px - 8 - long, py - TALL / 2]]))
      .filter(([left, high]) => left > LEFT + 2 && left + long < wide - RIGHT && high > TOP - 8 && high + TALL < HIGH - BOTTOM - 2);
    const best = places.map(([left, high]) => ({left, high, cost: hidden(left, high) + strays(left + long / 2, high + TALL / 2)}))
      .sort((a, b) => a.cost - b.cost)[0];
    if (!best || best.cost > 20) return node('g', {});  // no room; the table names it
    taken.push({...best, long});
    return node('text', {class: `sl-line-name ${lineClass(at)}`, x: best.left, y: best.high + 14}, label);

    // How much of lines and of other names lies under it.
    /** @type {(left: number, high: number) => number} */
    function hidden(left, high) {
      const under = dense.flat().filter(([x, y]) => x > left - 3 && x < left + long + 3 && y > high - 1 && y < high + TALL + 1).length;
      const over = taken.filter(t => left < t.left + t.long + 6 && left + long + 6 > t.left && Math.abs(high - t.high) < TALL).length;
      return under + 50 * over;
    }
    // Whether another line is as near, so that the name could be taken for its.
    /** @type {(x: number, y: number) => number} */
    function strays(x, y) {
      const near = dense.map(points => Math.min(...points.map(([a, b]) => Math.hypot((a - x) / 2, b - y))));
      return Math.max(0, near[own] + 14 - Math.min(...near.filter((_, i) => i !== own), 99)) / 4;
    }
  });
}
