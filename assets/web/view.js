// The maps of what is explained, drawn on canvases over the picture. What is not here yet is asked
// for, and until it comes the last maps stay, marked as such.
// (Runs after state.js, paint.js, strip.js and maps.js.)
// props.value from Python: {busy} and {text, kind} are messages, {refresh} asks once more for what
// was refused. props.tables holds the colours.
const root = element.querySelector('.sl-view'), REST_BEFORE_MODEL_MS = 250;
const tables = Object.fromEntries(Object.entries(props.tables).map(([name, data]) => [name, words(data)]));
let needing = 0, frame = 0, refused = false;

const status = make('div', 'sl-status'), word = make('span', 'sl-word'), line = make('span', 'sl-line');
const message = make('div', 'sl-message'), row = make('div', 'sl-maps'), panels = {};
word.dir = 'auto';
status.append(word, line);
const shots = strip(image => sightline.set({image}));
root.append(make('p', 'sl-welcome', props.words.welcome), message, status, row, shots.box);
root.classList.add('sl-empty');
const maps = mapStore(asked => server.maps(asked), () => soon());

function panel({name, label}) {
  const figure = make('figure', 'sl-map'), caption = make('figcaption'), title = make('strong', '', label);
  const frame = make('div', 'sl-frame'), legend = make('div', 'sl-legend');
  const parts = {
    figure, note: make('span', 'sl-note'), base: make('img', 'sl-base'), canvas: make('canvas', 'sl-heat'),
    bar: make('canvas', 'sl-bar'), ticks: make('div', 'sl-ticks'), norm: make('p', 'sl-norm'),
  };
  figure.dataset.method = name;
  title.title = props.methods[name] ?? '';
  parts.base.alt = '';
  parts.canvas.setAttribute('role', 'img');
  parts.bar.setAttribute('aria-hidden', 'true');
  caption.append(title, parts.note);
  frame.append(parts.base, parts.canvas);
  legend.append(parts.bar, parts.ticks, parts.norm);
  figure.append(caption, frame, legend);
  return parts;
}

function drawMap(map) {
  const {pictures, image, colours} = sightline.now, table = tables[map.signed ? props.diverging : colours];
  const part = panels[map.name] ??= panel(map), {src, ratio} = pictures.images[image], own = map.parts[image];
  if (part.base.src !== src) part.base.src = src;
  paint(part.canvas, own, table, ratio);
  paintBar(part.bar, table);
  part.canvas.setAttribute('aria-label', own.alt);
  part.note.textContent = map.note;
  part.norm.textContent = map.norm;
  part.ticks.replaceChildren(...(map.signed ? ['−1', '0', '+1'] : ['0', '1']).map(t => make('span', '', t)));
  return part.figure;
}

function draw(entry) {
  const {run, pictures, image} = sightline.now;
  root.style.setProperty('--ratio', pictures.images[image].ratio);
  const figures = entry.maps.map(drawMap);
  if (figures.some((figure, i) => row.children[i] !== figure) || row.children.length !== figures.length) {
    row.replaceChildren(...figures);
  }
  shots.mark(entry.peaks, pictures.images);
  word.textContent = entry.word;
  line.textContent = entry.line;
  Object.assign(root.dataset, {run, image, subject: sightline.canonical(entry.subject), chip: entry.subject.chip ?? ''});
  root.classList.remove('sl-empty');
  sightline.set({entry, beta: entry.beta ?? sightline.now.beta});
  root.dispatchEvent(new CustomEvent('drawn', {bubbles: true}));
}

// What the state asks for: drawn if it is here, else asked for.
function show() {
  const {run, subject, peek, pictures} = sightline.now;
  if (run === null || subject === null || pictures.run !== run) return;  // the rest is on its way
  const found = maps.find(subject), peeked = peek && maps.find(peek);
  root.classList.toggle('sl-late', !found?.maps && !peeked?.maps);
  root.dataset.here = maps.here();
  if (!found) maps.ask(subject);
  if (found?.refused) refuse(found.refused);
  else if (found && refused) say('', ''), refused = false;
  const entry = peeked?.maps ? peeked : found;
  if (entry?.maps) draw(entry);
}

function soon() {  // many changes of one moment are drawn once
  frame ||= requestAnimationFrame(() => { frame = 0; show(); });
}

function refuse(refusal) {
  if (refusal.heard) return;
  const {busy, need, text, kind} = refusal;
  refusal.heard = refused = true;
  say(busy ?? text, busy ? 'busy' : kind);
  if (need) needing = setTimeout(() => trigger('need', {}), REST_BEFORE_MODEL_MS);
}

function say(text, kind) {
  message.textContent = text;
  message.dataset.kind = kind;
  message.setAttribute('role', kind === 'error' ? 'alert' : 'status');
  root.classList.toggle('sl-busy', kind === 'busy');
}

function told() {
  const value = props.value;
  if (value?.refresh) {
    refused = true;
    maps.forgive();
    soon();
  } else if (value?.busy) say(value.busy, 'busy');
  else if (value?.text !== undefined) say(value.text, value.kind);
}

sightline.set({colours: props.colours});
sightline.on('run subject settings', changed => {
  maps.forgive();
  if (changed.includes('settings')) clearTimeout(needing);  // the slider goes on
  if (changed.includes('run') || message.dataset.kind === 'busy') return;
  say('', '');  // what was said of the last one is over
});
sightline.on('run settings subjects extra', () => maps.fillSoon());
sightline.on('run subject extra peek settings pictures image colours', soon);
sightline.on('pictures', () => shots.show(sightline.now.pictures.images, sightline.now.image));
watch('value', told);
told();
