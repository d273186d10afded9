// Drawing a map of 8-bit steps on a canvas, and small helpers for building the page.
const SIDE = 336;  // longest side of a canvas in its own pixels; the page scales it

function make(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}

function bytes(data) { return Uint8Array.from(atob(data), c => c.charCodeAt(0)); }

// 256 RGB triples in base64 -> one little-endian RGBA word for each step.
function words(data) {
  const rgb = bytes(data);
  return Uint32Array.from({length: 256}, (_, i) =>
    (255 << 24 | rgb[3 * i + 2] << 16 | rgb[3 * i + 1] << 8 | rgb[3 * i]) >>> 0);
}

// Bilinear weights along one axis. The centre of a cell of the map falls on the centre of that
// cell's share of the extent: half a cell off would point at the wrong thing.
function axis(pixels, start, stop, cells) {
  return Array.from({length: pixels}, (_, i) => {
    const f = (i + .5) / pixels;
    const at = Math.min(cells - 1, Math.max(0, (f - start) / (stop - start) * cells - .5));
    const low = Math.floor(at);
    return {low, high: Math.min(cells - 1, low + 1), part: at - low, seen: f >= start && f <= stop};
  });
}

function paint(canvas, map, table, ratio) {
  const [h, w] = map.shape, cells = bytes(map.data), [x0, y0, x1, y1] = map.extent;
  canvas.width = Math.max(1, Math.round(ratio >= 1 ? SIDE : SIDE * ratio));
  canvas.height = Math.max(1, Math.round(ratio >= 1 ? SIDE / ratio : SIDE));
  const xs = axis(canvas.width, x0, x1, w), ys = axis(canvas.height, y0, y1, h);
  const pen = canvas.getContext('2d'), image = pen.createImageData(canvas.width, canvas.height);
  const out = new Uint32Array(image.data.buffer), row = new Float32Array(w);
  let at = 0;
  ys.forEach(({low, high, part, seen}, y) => {
    for (let i = 0; i < w; i++) row[i] = cells[low * w + i] * (1 - part) + cells[high * w + i] * part;
    for (let x = 0; x < xs.length; x++, at++) {
      const c = xs[x];
      if (seen && c.seen) out[at] = table[row[c.low] * (1 - c.part) + row[c.high] * c.part + .5 | 0];
      else out[at] = (x + y) % 14 < 3 ? 0xff808080 : 0xff303030;  // not seen by the model: hatched
    }
  });
  pen.putImageData(image, 0, 0);
}

function paintBar(canvas, table) {
  canvas.width = 256;
  canvas.height = 1;
  const pen = canvas.getContext('2d'), image = pen.createImageData(256, 1);
  new Uint32Array(image.data.buffer).set(table);
  pen.putImageData(image, 0, 0);
}
