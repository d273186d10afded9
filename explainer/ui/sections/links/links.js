// Links, remembered settings and the presentation: a row of buttons in the head of the page. What
// an address or the browser's memory holds goes to Python to be checked before it is used. props:
// words, defaults, options (of all methods). props.value to Python: {query} to ask what the
// address asks, {run, query} to bring the words that it chooses; from Python: {run, subject,
// text}.
import {make, partOf, targetOf} from '../../../web/js/dom.js';
import {addStage} from '../../../web/js/stage.js';
import {sightline} from '../../../web/js/state.js';

/** @typedef {Record<string, string>} Query parameters of an address */
/**
 * @typedef {object} LinksServer
 * @property {(request: QueryCall) => Promise<RestoredLink>} restore
 * @property {(request: RunCall) => Promise<LinkParameters>} parameters
 * @property {(request: Known<RunCall> & {query: Query}) => Promise<LinkChoice>} chosen
 * @property {(request: Known<SubjectCall>) => Promise<LinkParameters>} written
 */
/** @typedef {{query: Query} | {run: string | null, query: Query} | {run: string | null} & LinkChoice | null} LinksValue */

/**
 * Mount the buttons for links, presenting and reset.
 * @param {Pick<Context<{value: LinksValue, words: LinksBarWords, defaults: PageSettings, options: OptionValue}, LinksServer>, 'element' | 'props' | 'trigger' | 'server' | 'watch'>} context
 * @returns {void}
 */
export function mount({element, props, trigger, server, watch}) {
  const root = partOf(element, '.sl-settings'), {words} = props, {now, canonical} = sightline;
  const {defaults} = props, NAMES = Object.keys(defaults), MEMORY = 'sightline', REST_MS = 300;
  const address = new URLSearchParams(location.search);
  /** @type {Query} */
  const linked = Object.fromEntries([...address].filter(([name]) => !ours(name)));
  let own = linked, lacks = '', ready = false, resting = 0;  // own: what the address says of the run
  /** @type {Explained | null} */
  let first = null;  // the word that a run starts with
  let awaited = false;  // whether the link chooses another
  /** @type {{subject: Explained | null, query: Query, text: string}} */
  let chosen = {subject: null, query: {}, text: ''};  // what the address says of what is explained

  const said = make('span', 'sl-settings-said');
  said.setAttribute('role', 'status');

  /** @type {(label: string, title: string, act: () => void) => HTMLButtonElement} */
  function button(label, title, act) {
    const node = make('button', 'sl-small', label);
    node.type = 'button';
    node.title = title;
    node.addEventListener('click', act);
    return node;
  }

  // Parameters that are not a link's: those of Gradio, the presentation, and the tour.
  /** @type {(name: string) => boolean} */
  function ours(name) { return name.startsWith('__') || ['present', 'tour', 'view'].includes(name); }

  /** @returns {PageSettings} */
  const settings = () => ({
    panel: now.panel ?? defaults.panel,
    options: now.options ?? defaults.options,
    opacity: now.opacity ?? defaults.opacity,
    cover: now.cover,
    colours: now.colours ?? defaults.colours,
    normalisation: now.normalisation,
    drawing: now.drawing,
    contour: now.contour ? 'on' : 'off',
    speed: now.speed,
  });
  const usual = () => canonical(settings()) === canonical(defaults);

  // In two steps: what all methods share then covers what they have of their own.
  /** @type {(settings: PageSettings) => void} */
  function adopt({panel, options, contour, ...view}) {
    sightline.set({panel, options});
    sightline.set({...view, contour: contour === 'on'});
  }

  function remember() {
    try {
      if (usual()) localStorage.removeItem(MEMORY);
      else localStorage.setItem(MEMORY, JSON.stringify(settings()));
    } catch { /* the browser allows no memory: nothing is remembered */ }
  }

  function recall() {
    try {
      return JSON.parse(localStorage.getItem(MEMORY) ?? 'null');
    } catch { return null; }
  }

  // The parameters of a link for what differs from the defaults.
  function parameters() {
    const {panel, options, ...rest} = settings();
    /** @type {Query} */
    const query = {...own};
    /** @type {(panel: PanelValue) => string} */
    const on = ({alphas}) => alphas.filter(([, used]) => used).map(([factor]) => factor).join(',');
    if (on(panel) !== on(defaults.panel)) query.scales = on(panel);
    const weights = panel.alphas.map(([factor, used], i) => [factor, used ? panel.weights?.[i] ?? 1 : 1]);
    const uneven = weights.filter(([, weight]) => weight !== 1).map(pair => pair.join(':'));
    if (uneven.length) query.weights = uneven.join(',');
    for (const name of /** @type {const} */ (['k', 'beta'])) if (panel[name] !== defaults.panel[name]) query[name] = String(panel[name]);
    /** @type {(value: OptionValue) => string} */
    const shown = value => Object.keys(value).join(',');
    if (shown(options) !== shown(defaults.options)) query.methods = shown(options);
    for (const [method, knobs] of Object.entries(options)) {
      for (const [name, value] of Object.entries(knobs)) {
        if (value !== props.options[method][name]) query[`${method}.${name}`] = String(value);
      }
    }
    /** @type {Record<string, unknown>} */
    const usualOf = {...defaults};
    for (const [name, value] of Object.entries(rest)) if (value !== usualOf[name]) query[name] = String(value);
    if (now.extra.layer) query.layer = String(now.extra.layer);
    return isOther() && same(chosen.subject, now.subject) ? {...query, ...chosen.query} : query;
  }

  /** @type {(a: unknown, b: unknown) => boolean} */
  const same = (a, b) => canonical(a) === canonical(b);

  // Whether something else is explained than what the answer to an example starts with.
  const isOther = () => now.subject && own !== linked && own.example && !same(now.subject, first);

  // What the address says of what is explained: chips by number, the rest as Python spells it.
  async function spell() {
    const {run, subject} = now;
    if (!subject || !isOther() || same(chosen.subject, subject)) return;
    if (same(subject, {chip: subject.chip})) chosen = {subject, query: {word: String(subject.chip)}, text: ''};
    else {
      const got = await server.written({run, subject}).catch(() => null);
      if (now.run === run && same(now.subject, subject)) chosen = {subject, query: {}, text: words.unreachable, ...got};
    }
  }

  // What the link chooses, if it is the link's own answer that came and nobody chose meanwhile.
  async function choose() {
    const {run} = now, asked = {run, query: linked};
    const got = await server.chosen(asked).catch(() => null);
    take(run, got);
    if (!got?.lacks.length || now.run !== run || now.subject !== first) return;
    said.textContent = words.bringing;
    props.value = asked;
    trigger('bring', {});
  }

  /** @type {(run: string | null, got: LinkChoice | null) => void} */
  function take(run, got) {
    if (now.run !== run || now.subject !== first) return;
    said.textContent = got ? got.text : words.unreachable;
    if (got?.subject) sightline.set({subject: got.subject});
  }

  function link() {
    const kept = [...new URLSearchParams(location.search)].filter(([name]) => ours(name));
    const query = new URLSearchParams([...kept, ...Object.entries(parameters())]);
    return `${location.pathname}${query.size ? `?${query}` : ''}`;
  }

  function write() {
    clearTimeout(resting);
    resting = setTimeout(async () => {
      remember();
      await spell();
      history.replaceState(history.state, '', link());
    }, REST_MS);
  }

  async function copy() {
    await spell();
    const text = new URL(link(), location.href).href;
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = [words.copied, lacks, isOther() && chosen.text].filter(Boolean).join(' ');
    } catch {  // not allowed here, as on a page without https
      const field = Object.assign(make('input', 'sl-link'), {value: text, readOnly: true});
      field.setAttribute('aria-label', words.copyThis);
      said.replaceChildren(make('span', '', words.copyThis), field);
      field.select();
    }
  }

  function reset() {
    adopt(structuredClone(defaults));
    said.textContent = words.wasReset;
  }

  const present = addStage({blank: words.blank}, on => {
    const query = new URLSearchParams(location.search);
    if (on) query.set('present', '1');
    else query.delete('present');
    history.replaceState(history.state, '', `${location.pathname}${query.size ? `?${query}` : ''}`);
  });

  async function start() {
    const remembered = recall();
    if (remembered || Object.keys(linked).length) {
      const got = await server.restore({query: linked, remembered}).catch(() => null);
      said.textContent = got ? got.text : words.unreachable;
      if (got) adopt(got.settings);
      if (got?.layer) sightline.set({extra: {...now.extra, layer: got.layer}});  // the slider takes the nearest that a run has
      if (got?.asks) {
        awaited = 'word' in linked && 'example' in linked;
        props.value = {query: linked};
        trigger('ask', {});
      }
    }
    ready = true;
    sightline.set({greets: !(props.value && 'query' in props.value)});
  }

  const presenting = button(words.present, words.presentTitle, () => present(true));
  presenting.classList.add('sl-present-button');
  root.append(
    said,
    button(words.link, words.linkTitle, copy),
    presenting,
    button(words.reset, words.resetTitle, reset),
  );
  // What was said has been read when something else is done.
  for (const kind of ['pointerdown', 'keydown']) {
    document.addEventListener(kind, event => { if (!said.contains(targetOf(event))) said.replaceChildren(); });
  }
  present(address.get('present') === '1');
  start();
  sightline.on(`${NAMES.join(' ')} subject extra`, () => { if (ready) write(); });
  sightline.on('run', async () => {
    if (now.run === null) return;
    first = now.subject;
    if (now.greeting) return sightline.set({greeting: false});  // the page opens with it without a link, too
    if (awaited) choose();
    awaited = false;
    const got = await server.parameters({run: now.run}).catch(() => null);
    if (got?.run !== now.run) return;
    own = got.query;
    lacks = got.text;
    write();
  });
  watch('value', () => {
    const {value} = props;
    if (value && 'lacks' in value) take(value.run, value);
  });
}
