// A run in a file of its own: parts of the page. Maps of the methods that need no model are computed
// here from the run's evidence; those of others come out of the file.
import {mount as backdrop} from './backdrop.js';
import {computing} from './computed.js';
import {make, partOf} from './dom.js';
import {Refusal} from './methods/run.js';
import {mount as options} from './options.js';
import {mount as sliders} from './recorded.js';
import {shades} from './shade.js';
import {sightline} from './state.js';
import {mount as bar} from './tokens.js';
import {tool} from './toolbar.js';
import {mount as view} from './view.js';

const data = JSON.parse(partOf(document, '#sl-data').textContent), SLICE_MS = 12, MOST_MS = 100;
/** @type {Record<string, (context: Context) => void>} */
const PARTS = {bar, view, backdrop, sliders, options};
/** @type {Map<string, Entry>} */
const entries = new Map(data.entries.map((/** @type {Entry} */ entry) => [sightline.canonical(entry.subject), entry]));
let slow = '';  // settings at which a word takes too long to make others ahead
const computed = data.live ? computing(data.live, data.bar.chips, data.pictures.images) : null;

// The maps of a subject by the methods that are shown; null for what the file cannot explain.
/** @type {(subject: Explained, panel: PanelValue, shown: OptionValue) => Entry | null} */
function entryOf(subject, panel, shown) {
  const kept = entries.get(sightline.canonical(subject)), made = computed?.entry(subject, panel, shown) ?? {maps: []};
  if (!kept && !made.maps.length) return null;
  const all = [...made.maps, ...kept?.maps ?? []];
  const facts = made.maps.length ? {...kept, ...made, ...kept && {word: kept.word, line: kept.line}} : kept;
  return {...facts, maps: Object.keys(shown).flatMap(name => all.find(map => map.name === name) ?? [])};
}

// What the server answers on the page. Many words are made in slices, so that the page goes on; the
// rest waits for a person where one word takes long.
/** @type {(request: {subjects: Explained[], panel: PanelValue, options: OptionValue}) => Promise<{maps: Entry[]} | Message>} */
async function answer({subjects, panel, options: shown}) {
  /** @type {Entry[]} */
  const maps = [];
  const {settings} = sightline.now;
  let since = performance.now();
  if (subjects.length > 1 && slow === settings) return {maps};
  try {
    for (const subject of subjects) {
      const began = performance.now(), entry = entryOf(subject, panel, shown);
      if (entry) maps.push(entry);
      if (subjects.length === 1) break;
      if (performance.now() - began > MOST_MS) {
        slow = settings;
        break;
      }
      if (performance.now() - since < SLICE_MS) continue;
      await new Promise(done => setTimeout(done));
      if (sightline.now.settings !== settings) break;
      since = performance.now();
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return {text: error.message.replace(/^./u, first => first.toUpperCase()), kind: 'error'};
  }
  return maps.length ? {maps} : {text: data.words.absent, kind: 'note'};
}

/** @type {(name: string, props: object, server?: Context['server']) => void} */
function mount(name, props, server = {}) {
  const at = document.querySelector(`#sl-${name}`) ?? document.body;
  PARTS[name]({element: at, props, server, trigger() {}, watch() {}});
}

// How the maps that are drawn were made, then what holds for all of them.
function print() {
  const {entry, panel, options: shown} = sightline.now, {methods, rest} = data.print;
  const lines = (entry?.maps ?? []).flatMap(map => {
    if (map.name in methods && !computed?.knows(map.name)) return methods[map.name];
    return computed && panel && shown ? computed.about(map, panel, shown) : [];
  });
  partOf(document, '#sl-print').replaceChildren(...[...lines, ...rest].map(text => make('p', '', text)));
}

const top = partOf(document, '#sl-top'), prompt = make('h1', '', data.prompt), dark = matchMedia('(prefers-color-scheme: dark)');
/** @type {(dark: boolean) => boolean} */
const theme = value => document.documentElement.classList.toggle('dark', value);
prompt.dir = 'auto';
top.append(prompt, make('p', '', data.line), tool('◐', data.words.theme, () => theme(!document.documentElement.classList.contains('dark'))));
theme(data.theme === 'dark' || dark.matches);
if (data.home) {
  const link = make('a', '', data.words.home);
  link.setAttribute('href', data.home);
  top.prepend(link);
}
partOf(document, '#sl-made summary').textContent = data.words.print;

sightline.set({methods: data.view.shown, cover: data.cover});
partOf(document, '#sl-shades').append(...shades(data.opacity, data.colours, data.words.shades));
if (computed) {
  mount('options', data.live.options);
  sightline.set({options: data.live.options.value});
  mount('sliders', data.live.sliders);
} else {
  partOf(document, '#sl-options').hidden = true;
  sightline.on('methods', () => sightline.set({options: Object.fromEntries(sightline.now.methods.map(name => [name, {}]))}));
}
sightline.on('entry', print);
mount('backdrop', {value: data.pictures});
mount('bar', {value: data.bar, words: data.words.playing, rests: data.rests});
mount('view', data.view, {maps: answer, places: async () => data.places});
document.sightline = sightline;
