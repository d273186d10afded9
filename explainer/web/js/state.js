// What the page shows now. `sightline.now` holds the values, `set` changes some of them, and `on`
// hears of the ones it names.

/** @type {State} */
const now = {
  run: null,
  subject: null,
  subjects: [],
  chips: [],
  layers: [],
  rests: null,
  facts: null,
  undrawable: '',
  template: false,
  extending: false,
  peek: null,
  extra: {},
  panel: null,
  options: null,
  settings: '',
  evidence: null,
  pictures: {run: null, images: []},
  image: 0,
  entry: null,
  beta: null,
  model: null,
  tables: {},
  colours: null,
  opacity: null,
  cover: 'value',
  methods: [],
  normalisation: '',
  drawing: 'smooth',
  contour: false,
  compare: 'side',
  pair: null,
  flipped: false,
  zoom: {scale: 1, x: .5, y: .5},
  probe: null,
  playing: false,
  speed: 2,
  greets: false,
  greeting: false,
};

/** @type {{names: string[], act: (changed: string[]) => void}[]} */
const listeners = [];

/**
 * Write JSON with sorted names, so that equal values have equal keys.
 * @param {unknown} value
 * @returns {string}
 */
export function canonical(value) {
  return JSON.stringify(value, (_, v) =>
    v && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.keys(v).sort().map(name => [name, v[name]])) : v);
}

/**
 * Change some values; those who listen to one that is another now are called.
 * @param {Partial<State>} changes
 * @returns {void}
 */
function set(changes) {
  const names = Object.keys(changes), unknown = names.find(name => !(name in now));
  if (unknown) throw new Error(`state.js does not list ${unknown}`);
  /** @type {string[]} */
  const changed = /** @type {(keyof State)[]} */ (names).filter(name => now[name] !== changes[name]);
  Object.assign(now, changes);
  const settings = canonical([now.panel, now.options]);
  if (settings !== now.settings) changed.push('settings');
  now.settings = settings;
  for (const {names, act} of [...listeners]) if (names.some(name => changed.includes(name))) act(changed);
}

/**
 * Listen to values; `act` is called at once too, for what is known already.
 * @param {string} names names of values in one string
 * @param {(changed: string[]) => void} act
 * @returns {void}
 */
function on(names, act) {
  listeners.push({names: names.split(' '), act});
  act([]);
}

/**
 * Tell whether a key is meant for the page, and not for a field or a browser's shortcut.
 * @param {KeyboardEvent} event
 * @returns {boolean}
 */
function free(event) {
  const target = /** @type {Element} */ (event.target);
  const field = target.closest?.('input:not([type=range], [type=checkbox]), textarea, select, [contenteditable=true]');
  return !field && !event.ctrlKey && !event.metaKey && !event.altKey && !event.defaultPrevented;
}

/**
 * @overload
 * @param {Explained} subject
 * @returns {Explained}
 */
/**
 * @overload
 * @param {Explained | null} subject
 * @returns {Explained | null}
 */
/**
 * Add the fields that go into every subject.
 * @param {Explained | null} subject
 * @returns {Explained | null}
 */
function whole(subject) {
  return subject && {...subject, ...now.extra};
}

/**
 * Return the key of a whole subject.
 * @param {Explained | null} subject
 * @returns {string | null}
 */
function key(subject) {
  return subject && canonical(whole(subject));
}

export const sightline = {now, canonical, set, on, free, key, whole};
