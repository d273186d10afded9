// The maps of the chosen chip, drawn on canvases over the picture. (Runs after paint.js.)
// props.value: {run, chip, word, line, maps, beta} paints; {busy, need} and {text, kind} leave the
// last maps where they are; {refresh} asks for new ones at once, {stale} after the next.
// props.tables holds the colours.
const root = element.querySelector('.sl-view'), REST_MS = 250;
const tables = Object.fromEntries(Object.entries(props.tables).map(([name, data]) => [name, words(data)]));
let colours = props.colours, shown = null, pictures = {run: null, images: []}, at = 0, resting = 0, stale = false;

const status = make('div', 'sl-status'), word = make('span', 'sl-word'), line = make('span', 'sl-line');
const message = make('div', 'sl-message'), row = make('div', 'sl-maps');
word.dir = 'auto';
status.append(word, line);
const panels = Object.fromEntries(props.methods.map(method => [method.name, panel(method)]));
const shots = strip(index => { at = index; draw(); });
root.append(make('p', 'sl-welcome', props.welcome), message, status, row, shots.box);
root.classList.add('sl-empty');

function panel({name, label, summary}) {
  const figure = make('figure', 'sl-map'), caption = make('figcaption'), title = make('strong', '', label);
  const frame = make('div', 'sl-frame'), legend = make('div', 'sl-legend');
  const parts = {
    note: make('span', 'sl-note'), base: make('img', 'sl-base'), canvas: make('canvas', 'sl-heat'),
    bar: make('canvas', 'sl-bar'), ticks: make('div', 'sl-ticks'), norm: make('p', 'sl-norm'),
  };
  figure.dataset.method = name;
  title.title = summary;
  parts.base.alt = '';
  parts.canvas.setAttribute('role', 'img');
  parts.bar.setAttribute('aria-hidden', 'true');
  caption.append(title, parts.note);
  frame.append(parts.base, parts.canvas);
  legend.append(parts.bar, parts.ticks, parts.norm);
  figure.append(caption, frame, legend);
  row.append(figure);
  return parts;
}

function drawMap(map) {
  const part = panels[map.name], table = tables[map.signed ? props.diverging : colours];
  const {src, ratio} = pictures.images[at], own = map.parts[at];
  if (part.base.src !== src) part.base.src = src;
  paint(part.canvas, own, table, ratio);
  paintBar(part.bar, table);
  part.canvas.setAttribute('aria-label', own.alt);
  part.note.textContent = map.note;
  part.norm.textContent = map.norm;
  part.ticks.replaceChildren(...(map.signed ? ['−1', '0', '+1'] : ['0', '1']).map(t => make('span', '', t)));
}

function draw() {
  if (!shown || shown.run !== pictures.run) return;  // the other half of this run is on its way
  root.style.setProperty('--ratio', pictures.images[at].ratio);
  shown.maps.forEach(drawMap);
  shots.mark(shown.peaks, pictures.images);
  word.textContent = shown.word;
  line.textContent = shown.line;
  Object.assign(root.dataset, {run: shown.run, chip: shown.chip, image: at});
  root.classList.remove('sl-empty');
  root.dispatchEvent(new CustomEvent('drawn', {bubbles: true, detail: {run: shown.run, chip: shown.chip}}));
  if (shown.beta !== null) document.dispatchEvent(new CustomEvent('sightline:beta', {detail: shown.beta}));
}

function say(text, kind) {
  message.textContent = text;
  message.dataset.kind = kind;
  message.setAttribute('role', kind === 'error' ? 'alert' : 'status');
  root.classList.toggle('sl-busy', kind === 'busy');
}

function show() {
  const value = props.value;
  clearTimeout(resting);
  if (value?.refresh) return trigger('retry', {});
  stale ||= Boolean(value?.stale);  // a slider was moved while the model was answering
  if (value?.busy) say(value.busy, 'busy');
  else if (value?.maps || value?.text !== undefined) say(value.text ?? '', value.kind ?? '');
  if (value?.need) resting = setTimeout(() => trigger('need', {}), REST_MS);  // the slider came to rest
  if (!value?.maps) return;
  shown = value;
  draw();
  if (stale) trigger('retry', {});
  stale = false;
}

document.addEventListener('sightline:colours', event => { colours = event.detail; draw(); });
document.addEventListener('sightline:picture', event => {
  if (event.detail.run !== pictures.run) at = 0;
  pictures = event.detail;
  shots.show(pictures.images, at);
  draw();
});
watch('value', show);
show();
