// Maps that were computed here as the view draws them, and what is said of them. Twin of what
// explainer/web/payload.py and explainer/export/print.py say of Python's maps.
import {largest} from './methods/display.js';
import {linspace} from './methods/geometry.js';
import {isFaint, levels, otsu} from './methods/otsu.js';
import {roundEven, sum} from './methods/sums.js';

const NOTHING = 'nothing stands out', ROWS = ['upper', 'middle', 'lower'], COLUMNS = ['left', 'center', 'right'];

/**
 * Return one part of a map as the view draws it.
 * @param {HeatPart} part
 * @param {[number, number]} size height and width of its image
 * @param {boolean} signed
 * @param {string} title
 * @returns {MapPart}
 */
export function drawnPart({values, shape, placement}, [height, width], signed, title) {
  const cut = isFaint(values) ? null : otsu(levels(values)), size = [width, height, width, height];
  const shares = /** @type {(box: Rectangle) => Rectangle} */ (box => /** @type {Rectangle} */ (box.map((side, i) => side / size[i])));
  return {
    shape, cells: levels(values, signed), extent: shares(placement.extent), frame: shares(placement.frame),
    otsu: signed && cut !== null ? 127.5 + cut / 2 : cut, alt: `${title}: ${where(values, shape, placement)}`,
  };
}

// Where a map is strongest, and how much of what was seen stands out.
/** @type {(values: Float32Array, shape: [number, number], placement: MapPlacement) => string} */
function where(values, shape, placement) {
  const peak = largest(values);
  if (!(peak > 0)) return 'empty';
  if (isFaint(values)) return `${NOTHING}, its peak is ${peak.toFixed(2)}`;
  const edges = [edgesOf(placement, 1, shape[0]), edgesOf(placement, 0, shape[1])], at = values.indexOf(peak), [row, column] = [Math.floor(at / shape[1]), at % shape[1]];
  const place = `${ROWS[third(edges[0], row)]} ${COLUMNS[third(edges[1], column)]}`.replace('middle center', 'center');
  const cells = levels(values), cut = otsu(cells), [heights, widths] = edges.map(all => sharesOf(all));
  const out = Array.from(cells).flatMap((level, i) => level > cut ? [heights[Math.floor(i / shape[1])] * widths[i % shape[1]]] : []);
  return `strongest in the ${place}, ${peak.toFixed(2)}; ${roundEven(100 * sum(out)) || '< 1'} % of it stands out`;
}

// The edges of cells along an axis, cut down to the extent.
/** @type {(placement: MapPlacement, axis: number, cells: number) => Float64Array} */
function edgesOf({extent, frame}, axis, cells) {
  const low = extent[axis], high = extent[axis + 2];
  const edges = linspace(frame[axis], frame[axis + 2], cells + 1).map(edge => Math.min(high, Math.max(low, edge)));
  [edges[0], edges[cells]] = [low, high];
  return edges;
}

/** @type {(edges: Float64Array) => Float64Array} */
const sharesOf = edges => edges.slice(1).map((edge, i) => (edge - edges[i]) / (edges[edges.length - 1] - edges[0]));

// In which third of what all cells hold the centre of one lies.
/** @type {(edges: Float64Array, cell: number) => number} */
function third(edges, cell) {
  const centre = (edges[cell] + edges[cell + 1]) / 2;
  return Math.floor(3 * (centre - edges[0]) / (edges[edges.length - 1] - edges[0]));
}

/**
 * Return what to know of a map; '' if there is nothing.
 * @param {Heat} heat
 * @returns {string}
 */
export function notesOf({parts, notes: {beta, beta_auto: auto}}) {
  const faint = parts.every(part => isFaint(part.values.map(Math.abs))), said = beta === undefined ? '' : `β = ${beta.toFixed(2)}`;
  const other = said && Math.abs(auto - beta) >= 5e-4 ? `${said}, Eq. 9 gives ${auto.toFixed(2)}` : said;
  return [other, faint ? NOTHING : ''].filter(Boolean).join(', ');
}

/**
 * Return what a method's colours mean and the values of all its knobs.
 * @param {MethodSpec} method
 * @param {Settings} settings
 * @param {string} norm
 * @returns {string}
 */
export function aboutMethod({label, knobs, presets}, settings, norm) {
  const defaults = Object.fromEntries(knobs.map(knob => [knob.name, knob.default]));
  /** @type {Record<string, KnobValue>} */
  const own = {...settings};
  /** @type {(values: Partial<Settings>) => boolean} */
  const same = values => Object.entries({...defaults, ...values}).every(([name, value]) => String(value) === String(own[name]));
  const named = Object.keys(presets).filter(name => same(presets[name])).map(name => `preset ${name}`);
  return `${label}. ${norm}. Options: ${[...named, ...Object.entries(settings).map(([name, value]) => `${name} ${shown(value)}`)].join(', ')}.`;
}

/** @type {(value: KnobValue) => string} */
function shown(value) {
  if (value === null) return 'auto';
  if (Array.isArray(value)) return value.map(shown).join(', ');
  return typeof value === 'number' ? String(Number(value.toPrecision(6))) : String(value);
}
