// A run in a file of its own. Each part of the page is a function here and gets what Gradio gives
// it there; its maps come out of this file. (Runs after state.js, paint.js, toolbar.js, dial.js and
// shade.js; `data` is what Python put in the file, `parts` the parts.)
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
  parts[name](at, () => {}, props, server, () => {});
}

const top = document.getElementById('sl-top'), prompt = make('h1', '', data.prompt), dark = matchMedia('(prefers-color-scheme: dark)');
const theme = value => document.documentElement.classList.toggle('dark', value);
prompt.dir = 'auto';
top.append(prompt, make('p', '', data.line), tool('◐', data.words.theme, () => theme(!document.documentElement.classList.contains('dark'))));
theme(data.theme === 'dark' || dark.matches);
document.querySelector('.sl-fold summary').textContent = data.words.print;
document.getElementById('sl-print').append(...data.print.map(text => make('p', '', text)));

sightline.set({methods: data.view.shown});
sightline.on('methods', () => sightline.set({options: Object.fromEntries(sightline.now.methods.map(name => [name, {}]))}));
mount('backdrop', {value: data.pictures});
mount('bar', {value: data.bar, words: data.words.playing, rests: data.rests});
mount('view', data.view, {maps: async asked => fromFile(asked), places: async () => data.places});
document.getElementById('sl-shades').append(...shades(data.opacity, data.colours, data.words.shades));
