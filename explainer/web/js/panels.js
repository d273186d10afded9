// One frame with a map over the picture, its name above and its colours below; or, over the bare
// picture, why there is no map.
import {outline} from './contour.js';
import {fill, make} from './dom.js';
import {colourBar, paint} from './paint.js';
import {cellAt, crosshair, valueAt} from './probe.js';
import {sightline} from './state.js';
import {zoomable} from './zoom.js';

/** @typedef {{picture: BackdropImage, image: number, table: Uint32Array, drawing: string, contour: boolean, summary: string}} HowDrawn */

/**
 * Create the frame of one map.
 * @param {string} name of the method
 * @param {ViewWords} text
 * @returns {{figure: HTMLElement, frame: HTMLElement, draw(map: MethodMap, how: HowDrawn): void,
 *   point(): [number, number] | null}}
 */
export function mapPanel(name, text) {
  const figure = make('figure', 'sl-map'), caption = make('figcaption'), title = make('strong');
  const frame = make('div', 'sl-frame'), stage = make('div', 'sl-stage'), legend = make('div', 'sl-legend');
  const note = make('span', 'sl-note'), base = make('img', 'sl-base'), canvas = make('canvas', 'sl-heat');
  const bar = colourBar(), ticks = make('div', 'sl-ticks'), norm = make('p', 'sl-norm'), line = outline();
  const absent = make('p', 'sl-absent');
  figure.dataset.method = name;
  base.alt = '';
  base.draggable = false;
  canvas.setAttribute('role', 'img');
  frame.setAttribute('role', 'group');
  caption.append(title, note);
  stage.append(base, canvas, line.svg);
  frame.append(stage, absent);
  legend.append(bar.box, ticks, norm);
  figure.append(caption, frame, legend);
  zoomable(frame);
  const cross = crosshair(frame);
  /** @type {{map: MethodMap, part: MapPart} | null} */
  let shown = null;
  /** @type {unknown[]} what was drawn last */
  let last = [];

  /** @type {(map: MethodMap, how: HowDrawn) => void} */
  function draw(map, {picture, image, table, drawing, contour, summary}) {
    const part = map.parts[image], full = map.full ?? 1, most = full === 1 ? '1' : full.toFixed(2);
    if (base.src !== picture.src) base.src = picture.src;
    title.textContent = map.label;
    title.title = summary;
    frame.setAttribute('aria-label', fill(text.frame, {map: map.label}));
    figure.classList.toggle('sl-without', !part);
    absent.textContent = map.why ?? '';
    shown = part ? {map, part} : null;
    if (!part) {
      point();
      return;
    }
    const drawn = [map, image, picture, table, drawing, contour];
    if (drawn.every((value, i) => value === last[i])) {  // a slider that is not this map's
      point();
      return;
    }
    last = drawn;
    paint(canvas, part, table, picture.ratio, drawing);
    bar.draw(table);
    line.show(part, drawing, contour);
    canvas.setAttribute('aria-label', part.alt);
    note.textContent = map.note ?? '';
    norm.textContent = map.norm ?? '';
    ticks.replaceChildren(...(map.signed ? [`−${most}`, '0', `+${most}`] : ['0', '1']).map(t => make('span', '', t)));
    point();
  }

  // Mark the place that is pointed at, and say the value there.
  function point() {
    const {probe} = sightline.now, drawn = shown, cell = probe && drawn && cellAt(drawn.part, probe);
    cross.show(cell ? valueAt(drawn.map, drawn.part, cell).toFixed(2) : text.unseen);
    return cell;
  }
  return {figure, frame, draw, point};
}
