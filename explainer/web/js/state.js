// What the page shows now, for all its scripts: each has a scope of its own and gets this first.
// `sightline.now` holds the values, `set` changes some of them, `on` hears of the ones it names.
const sightline = document.sightline ??= (() => {
  const heard = [], now = {
    run: null,        // id of the run that is shown, null while an answer is under way
    subject: null,    // what is explained, JSON for Python: {chip: 12} and the like
    subjects: [],     // what will probably be asked for: all chips, the answer's first
    chips: [],        // of the run, in order: {index, text, role, tokens, word}, as Python sent them
    layers: [],       // numbers of the decoder layers that the run can be looked at in, its last one at the end
    rests: null,      // how much chips rest on the picture, {number: {share, sensitive, against, text}}; null if unknown
    template: false,  // whether chips of the template are shown
    extending: false, // whether the next chip extends what is chosen, as with the Shift key
    peek: null,       // what is explained while the pointer rests on it
    extra: {},        // fields that go into every subject
    panel: null,      // values of the sliders
    options: null,    // values of the other knobs, {method: {knob: value}} for the methods shown
    settings: '',     // key of panel and options: maps of another key are never shown
    pictures: {run: null, images: []},
    image: 0,         // which of several pictures the maps show
    entry: null,      // the maps that are drawn, as Python sent them
    beta: null,       // what Eq. 9 gave for the maps that are drawn
    model: null,      // facts of the chosen model
    colours: null,    // name of the colour table of unsigned maps
    opacity: null,
    methods: [],      // names of those shown, in this order
    normalisation: '',  // what full strength means in all maps; '' for what each method's option says
    drawing: 'smooth',  // or 'cells'
    contour: false,   // whether maps have an outline at Otsu's threshold
    compare: 'side',  // or 'blink' or 'difference', of `pair`
    pair: null,       // two names of methods; null for the first two that are shown
    flipped: false,   // whether the second of the pair comes first
    zoom: {scale: 1, x: .5, y: .5},
    probe: null,      // {x, y}, the place of the picture that is pointed at
    playing: false,   // whether the answer plays like a film
    speed: 2,         // its words in a second
  };
  // JSON with sorted names, so that equal values have equal keys.
  const canonical = value => JSON.stringify(value, (_, v) =>
    v && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.keys(v).sort().map(name => [name, v[name]])) : v);
  return {
    now, canonical,
    set(changes) {
      const unknown = Object.keys(changes).find(name => !(name in now));
      if (unknown) throw new Error(`state.js does not list ${unknown}`);
      const changed = Object.keys(changes).filter(name => now[name] !== changes[name]);
      Object.assign(now, changes);
      const settings = canonical([now.panel, now.options]);
      if (settings !== now.settings) changed.push('settings');
      now.settings = settings;
      for (const {names, act} of [...heard]) if (names.some(name => changed.includes(name))) act(changed);
    },
    on(names, act) {  // names in one string; `act` is called at once too, for what is known already
      heard.push({names: names.split(' '), act});
      act([]);
    },
    free(event) {  // whether a key is meant for the page, and not for a field or a browser's shortcut
      const field = event.target.closest?.('input:not([type=range], [type=checkbox]), textarea, select, [contenteditable=true]');
      return !field && !event.ctrlKey && !event.metaKey && !event.altKey && !event.defaultPrevented;
    },
    key: subject => subject && canonical({...subject, ...now.extra}),
    whole: subject => subject && {...subject, ...now.extra},
  };
})();
