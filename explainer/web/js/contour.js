// The outline of what lies above a threshold, as an SVG path over the map.
import {cellsOf} from './paint.js';

// Both outlines are in units of cells; `near` keeps [column, row] on what was seen of the picture.

/**
 * Trace the outline between the centres of cells (marching squares), so that it lies on the smooth
 * map's own line; a rim of cells below everything closes it at the edges.
 * @param {ArrayLike<number>} cells
 * @param {[number, number]} shape
 * @param {number} level what lies above it is inside
 * @param {(place: number[]) => number[]} near keeps [column, row] on what was seen of the picture
 * @returns {string} an SVG path in units of cells
 */
export function smoothOutline(cells, [h, w], level, near) {
  /** @type {(r: number, c: number) => number} */
  const at = (r, c) => r < 0 || c < 0 || r >= h || c >= w ? -1 : cells[r * w + c];
  const lines = [];
  for (let r = -1; r < h; r++) {
    for (let c = -1; c < w; c++) {
      const corners = [[r, c], [r, c + 1], [r + 1, c + 1], [r + 1, c]].map(([i, j]) => [i, j, at(i, j)]);
      /** @type {number[][]} */
      const cuts = [];
      corners.forEach(([i, j, a], n) => {
        const [k, l, b] = corners[(n + 1) % 4];
        if (a > level === b > level) return;
        const t = (level + .5 - a) / (b - a);
        cuts.push(near([j + (l - j) * t + .5, i + (k - i) * t + .5]));
      });
      for (let n = 0; n + 1 < cuts.length; n += 2) lines.push(`M${cuts[n].map(v => v.toFixed(3))}L${cuts[n + 1].map(v => v.toFixed(3))}`);
    }
  }
  return lines.join('');
}

/**
 * Trace the outline along the edges of cells.
 * @param {ArrayLike<number>} cells
 * @param {[number, number]} shape
 * @param {number} level what lies above it is inside
 * @param {(place: number[]) => number[]} near keeps [column, row] on what was seen of the picture
 * @returns {string} an SVG path in units of cells
 */
export function cellOutline(cells, [h, w], level, near) {
  /** @type {(r: number, c: number) => boolean} */
  const above = (r, c) => r >= 0 && c >= 0 && r < h && c < w && cells[r * w + c] > level;
  const lines = [];
  for (let r = 0; r <= h; r++) {
    for (let c = 0; c <= w; c++) {
      const [x, y] = near([c, r]), [right, below] = near([c + 1, r + 1]);
      if (above(r, c) !== above(r - 1, c)) lines.push(`M${x},${y}H${right}`);
      if (above(r, c) !== above(r, c - 1)) lines.push(`M${x},${y}V${below}`);
    }
  }
  return lines.join('');
}

/**
 * Create the outline of one map.
 * @returns {{svg: SVGSVGElement, show(part: MapPart, drawing: string, on: boolean): void}}
 */
export function outline() {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const paths = ['sl-outline-under', 'sl-outline'].map(name => {
    const path = document.createElementNS(svg.namespaceURI, 'path');
    path.setAttribute('class', name);
    path.setAttribute('vector-effect', 'non-scaling-stroke');
    svg.append(path);
    return path;
  });
  svg.setAttribute('class', 'sl-contour');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('aria-hidden', 'true');
  return {
    svg,
    show(part, drawing, on) {
      const level = on ? part.otsu ?? null : null;
      svg.style.display = level === null ? 'none' : '';
      if (level === null) return;
      const [h, w] = part.shape, {extent, frame: [x0, y0, x1, y1]} = part;
      const seen = extent.map((v, i) => i % 2 ? (v - y0) / (y1 - y0) * h : (v - x0) / (x1 - x0) * w);
      /** @type {(place: number[]) => number[]} */
      const near = place => place.map((v, i) => Math.min(seen[i + 2], Math.max(seen[i], v)));
      Object.assign(svg.style, {left: `${100 * x0}%`, top: `${100 * y0}%`, width: `${100 * (x1 - x0)}%`, height: `${100 * (y1 - y0)}%`});
      svg.setAttribute('viewBox', `0 0 ${w} ${h}`);
      const trace = drawing === 'cells' ? cellOutline : smoothOutline;
      const line = trace(cellsOf(part), part.shape, level, near);
      for (const path of paths) path.setAttribute('d', line);
    },
  };
}
