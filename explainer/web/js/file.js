// A run in a file of its own: parts of the page, whose maps come out of the file.
import {mount as backdrop} from './backdrop.js';
import {make} from './dom.js';
import {shades} from './shade.js';
import {sightline} from './state.js';
import {mount as bar} from './tokens.js';
import {tool} from './toolbar.js';
import {mount as view} from './view.js';

const data = JSON.parse(document.getElementById('sl-data').textContent);
const PARTS = {bar, view, backdrop};
const entries = new Map(data.entries.map(entry => [sightline.canonical(entry.subject), entry]));

// What the server answers on the page: the maps of those methods that are shown.
function fromFile({subjects, options}) {
  const shown = Object.keys(options ?? {}), maps = [];
  for (const subject of subjects) {
    const entry = entries.get(sightline.canonical(subject));
    if (entry) maps.push({...entry, maps: shown.map(name => entry.maps.find(map => map.name === name)).filter(Boolean)});
  }
  return maps.length ? {maps} : {text: data.words.absent, kind: 'note'};
}

function mount(name, props, server = {}) {
  const at = document.querySelector(`#sl-${name}`) ?? document.body;
  PARTS[name]({element: at, props, server, trigger() {}, watch() {}});
}

const top = document.getElementById('sl-top'), prompt = make('h1', '', data.prompt), dark = matchMedia('(prefers-color-scheme: dark)');
const theme = value => document.documentElement.classList.toggle('dark', value);
prompt.dir = 'auto';
top.append(prompt, make('p', '', data.line), tool('◐', data.words.theme, () => theme(!document.documentElement.classList.contains('dark'))));
theme(data.theme === 'dark' || dark.matches);
document.querySelector('.sl-fold summary').textContent = data.words.print;
document.getElementById('sl-print').append(...data.print.map(text => make('p', '', text)));

sightline.set({methods: data.view.shown, cover: data.cover});
sightline.on('methods', () => sightline.set({options: Object.fromEntries(sightline.now.methods.map(name => [name, {}]))}));
mount('backdrop', {value: data.pictures});
mount('bar', {value: data.bar, words: data.words.playing, rests: data.rests});
mount('view', data.view, {maps: async asked => fromFile(asked), places: async () => data.places});
document.getElementById('sl-shades').append(...shades(data.opacity, data.colours, data.words.shades));
document.sightline = sightline;
