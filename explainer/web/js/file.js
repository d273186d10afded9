// A run in a file of its own: parts of the page. Maps of the methods that need no model are computed
// here from the run's evidence; those of others come out of the file.
import {mount as backdrop} from './backdrop.js';
import {computing} from './computed.js';
import {fill, make, partOf} from './dom.js';
import {mount as options} from './options.js';
import {bytes, readTables} from './paint.js';
import {mount as sliders} from './recorded.js';
import {shades} from './shade.js';
import {addStage} from './stage.js';
import {sightline} from './state.js';
import {unfold} from './steps/step_by_step.js';
import {mount as bar} from './tokens.js';
import {tool} from './toolbar.js';
import {mount as view} from './view.js';
import {mount as beside} from './words_beside.js';

const data = JSON.parse(partOf(document, '#sl-data').textContent);
/** @type {Record<string, (context: Context<never, never>, makeSource: () => EvidenceSource) => void>} */
const PARTS = {bar, view, backdrop, sliders, options};
/** @type {Map<string, Entry>} */
const entries = new Map(data.entries.map((/** @type {Entry} */ entry) => [sightline.canonical(entry.subject), entry]));
/** @type {Message} */
const absent = {text: data.words.absent, kind: 'note'};
/** @type {Map<number | null, Computing>} by layer, null for the last */
const layers = new Map();

// What computes the maps of a layer, with the words that might have been said.
/** @type {(layer: number | null) => Computing | null} */
function computedAt(layer) {
  const message = data.live && (layer === null ? data.live.evidence : data.live.layers[layer]);
  if (!message) return null;
  const made = layers.get(layer) ?? computing(bytes(message).buffer, data.live.told, false);
  if (!layers.has(layer)) for (const {subject, ...held} of data.live.held) made.hold(subject, held);
  layers.set(layer, made);
  return made;
}

const computed = computedAt(null);
/** @type {EvidenceSource} */
const evidence = {of: (_, layer) => ({computing: computedAt(layer ?? null)}), bring: () => absent, forget() {}, forgive() {}};

// What the server answers on the page, of the maps that came with the file.
/** @type {(request: {subjects: Explained[], options: OptionValue}) => Promise<{maps: Entry[]} | Message>} */
async function compared({subjects, options}) {
  const maps = subjects.flatMap(subject => entries.get(sightline.canonical(subject)) ?? (computed ? without(subject, options) : []));
  return maps.length ? {maps} : absent;
}

/** @type {(subject: Explained, options: OptionValue) => Entry} */
function without(subject, options) {
  const why = data.words.absent, shown = data.view.methods.filter((/** @type {MethodMap} */ {name}) => name in options);
  const maps = shown.map((/** @type {MethodMap} */ {name, label}) => ({name, label, why, parts: []}));
  return {subject, word: '', line: '', maps, peaks: []};
}

/** @type {(name: string, props: object, server?: object) => void} */
function mount(name, props, server = {}) {
  const at = document.querySelector(`#sl-${name}`) ?? document.body;
  const context = {element: at, props, server, trigger() {}, watch() {}};
  PARTS[name](/** @type {Context<never, never>} */ (/** @type {unknown} */ (context)), () => evidence);
}

// How the maps that are drawn were made, then what holds for all of them.
function print() {
  const {now} = sightline, {methods, rest} = data.print;
  const lines = (now.entry?.maps ?? []).flatMap(map => {
    if (map.name in methods && !computed?.knows(map.name)) return methods[map.name];
    return computed?.about(map, now) ?? [];
  });
  partOf(document, '#sl-print').replaceChildren(...[...lines, ...rest].map(text => make('p', '', text)));
}

// What the server does on the page for a typed word: here it is one that the run holds.
/** @type {(request: {at: number, word: string}) => object} */
function typed({at, word}) {
  const text = word.trim(), space = data.bar.facts.texts[at].startsWith(' '), known = new Map(Object.entries(data.live.known));
  const spelled = [` ${text}`, text].sort((one, other) => Number(other.startsWith(' ') === space) - Number(one.startsWith(' ') === space));
  const found = spelled.find(one => known.has(one));
  if (found === undefined) return {run: data.bar.run, text: fill(data.words.unknown, {word: text}), kind: 'error'};
  const ids = known.get(found), subject = {at, ids}, held = {ids, texts: [found], probability: null};
  data.live.held.push({subject, ...held});
  for (const made of layers.values()) made.hold(subject, held);
  return {run: data.bar.run, subject};
}

// The row of what could have stood in place of the chosen word.
function offerWords() {
  let hear = () => {};
  const names = Object.keys(data.live.known).map(text => text.trim()), props = {...data.beside, known: [...new Set(names)].sort(), value: null};
  beside({
    element: partOf(document, '#sl-beside'), props, server: {places: async () => ({run: data.bar.run, answer: '', places: data.beside.places})},
    trigger() { props.value = typed(props.value); hear(); },
    watch(_, act) { hear = act; },
  });
}

// How the map came about; built when it is first opened.
function offerSteps() {
  const place = partOf(document, '#sl-steps'), fold = partOf(place, 'details');
  fold.append(make('summary', '', data.steps.words.title));
  fold.addEventListener('toggle', () => unfold({element: place, props: data.steps}), {once: true});
}

const top = partOf(document, '#sl-top'), prompt = make('h1', '', data.prompt), dark = matchMedia('(prefers-color-scheme: dark)');
/** @type {(dark: boolean) => boolean} */
const theme = value => document.documentElement.classList.toggle('dark', value);
prompt.dir = 'auto';
const present = addStage({blank: data.words.blank, code: data.code});
const tools = make('div', 'sl-file-tools');
tools.append(
  tool(data.words.present, data.code ? data.words.presentCode : data.words.presentLong, () => present(true)),
  tool('◐', data.words.theme, () => theme(!document.documentElement.classList.contains('dark'))),
);
top.append(prompt, make('p', '', data.line), tools);
theme(data.theme === 'dark' || dark.matches);
if (data.home) {
  const link = make('a', '', data.words.home);
  link.setAttribute('href', data.home);
  top.prepend(link);
}
partOf(document, '#sl-made summary').textContent = data.words.print;

sightline.set({methods: data.view.shown, cover: data.cover, tables: readTables(data.tables)});
partOf(document, '#sl-shades').append(...shades(data.opacity, data.colours, data.words.shades));
if (computed) {
  mount('options', data.live.options);
  sightline.set({options: data.live.options.value});
  mount('sliders', data.live.sliders);
  offerSteps();
} else {
  for (const place of ['#sl-options', '#sl-steps', '#sl-beside']) partOf(document, place).hidden = true;
  sightline.on('methods', () => sightline.set({options: Object.fromEntries(sightline.now.methods.map(name => [name, {}]))}));
}
sightline.on('entry', print);
mount('backdrop', {value: data.pictures});
mount('bar', {value: data.bar, words: data.words.playing, rests: data.rests});
if (computed) offerWords();
mount('view', data.view, {compared, places: async () => data.places});
present(new URLSearchParams(location.search).get('present') === '1');
document.sightline = sightline;
