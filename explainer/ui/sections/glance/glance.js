// Answer at a glance: the words of the answer by their reliance on the picture, with those that do
// not need it set apart, and below each a bar of what it rests on; asked for once a run while the
// section is open. props.value to Python: {run}; from Python: {run, busy}, {run, sentence, words}
// or {run, text}. Event: measure.
import {make, partOf} from '../../../web/js/dom.js';
import {sightline} from '../../../web/js/state.js';
import {choose} from '../../../web/js/toolbar.js';

const SOURCES = ['picture', 'prompt', 'words'];

/**
 * Build the section, once it is opened.
 * @param {Pick<Context<{value: {run: string | null} & (RankedAnswer | Busy | Message | {run: string}) | null, words: GlanceWords}>, 'element' | 'props' | 'trigger' | 'watch'>} context
 * @returns {void}
 */
export function unfold({element, props, trigger, watch}) {
  const root = /** @type {HTMLDetailsElement} */ (partOf(element, '.sl-glance')), says = props.words, {now} = sightline;
  const body = make('div', 'sl-glance-body'), message = make('p', 'sl-glance-said'), strip = make('div', 'sl-glance-strip');
  const bar = make('div', 'sl-glance-bar'), legend = make('p', 'sl-glance-legend');
  const order = choose(says.order, says.orders, draw), filter = choose(says.filter, says.filters, draw);
  /** @type {RankedAnswer | null} */
  let known = null;
  /** @type {string | null} */
  let asked = null;
  message.setAttribute('role', 'status');
  legend.append(...Object.entries(says.sources).map(([name, text]) => make('span', `sl-glance-${name}`, text)));
  bar.append(order.box, filter.box, legend);
  body.append(make('p', 'sl-caption', says.about), message, bar, strip);
  root.append(body);
  bar.hidden = true;

  /** @type {(ranked: RankedWord) => HTMLElement} */
  function word({subject, text, share, part, label, shares}) {
    const item = make('li'), button = make('button', 'sl-glance-word'), name = make('span', '', text);
    button.type = 'button';
    button.title = label;
    button.setAttribute('aria-label', label);
    button.dataset.subject = sightline.canonical(subject);
    button.style.setProperty('--share', String(part));
    if (shares) {
      button.classList.add('sl-glance-sourced');
      button.style.setProperty('--picture', `${100 * shares[0]}%`);
      button.style.setProperty('--prompt', `${100 * (shares[0] + shares[1])}%`);
    }
    name.dir = 'auto';
    button.append(name, make('span', 'sl-share', share));
    button.addEventListener('click', () => sightline.set({subject, peek: null}));
    item.append(button);
    return item;
  }

  /** @type {(name: string, title: string, found: RankedWord[]) => HTMLElement} */
  function group(name, title, found) {
    const box = make('section', `sl-glance-group sl-glance-${name}`), list = make('ol');
    list.append(...found.map(word));
    list.setAttribute('aria-label', title);
    box.append(make('h3', 'sl-role', title), found.length ? list : make('p', 'sl-caption', says.none));
    return box;
  }

  // The words in the order and of the kind that are chosen; those that rest on nothing come last.
  /** @type {(ranking: RankedAnswer) => RankedWord[]} */
  function arranged(ranking) {
    const by = SOURCES.indexOf(order.list.value), most = SOURCES.indexOf(filter.list.value);
    /** @type {(word: RankedWord, i: number) => number} */
    const share = ({shares}, i) => shares?.[i] ?? -1;
    const words = ranking.words.filter(one => most < 0 || one.shares && share(one, most) === Math.max(...one.shares));
    if (order.list.value === 'said') return words.sort((a, b) => a.at - b.at);
    return by < 0 ? words : words.sort((a, b) => share(b, by) - share(a, by));
  }

  function draw() {
    if (!known) return;
    const words = arranged(known);
    message.textContent = known.sentence;
    bar.hidden = !known.words.some(({shares}) => shares);
    strip.replaceChildren(
      group('needs', says.needs, words.filter(({needed}) => needed)),
      group('free', says.free, words.filter(({needed}) => !needed)));
    mark();
  }

  function mark() {
    const chosen = sightline.canonical(now.subject);
    for (const button of strip.querySelectorAll('button')) button.setAttribute('aria-pressed', String(button.dataset.subject === chosen));
  }

  function show() {
    const {run, chips} = now;
    if (!root.open || asked === run && run !== null) return;
    known = null;
    strip.replaceChildren();
    bar.hidden = true;
    asked = run;
    if (run === null || !chips.some(item => item.role === 'answer')) {
      message.textContent = says.waiting;
      return;
    }
    message.textContent = says.busy;
    props.value = {run};
    trigger('measure', {});
  }

  function heard() {
    const {value} = props;
    if (!value || value.run !== now.run || value.run !== asked) return;  // about an answer before
    if ('words' in value) {
      known = value;
      draw();
    } else if ('busy' in value) message.textContent = value.busy;
    else if ('text' in value) message.textContent = value.text;
  }

  root.addEventListener('toggle', show);
  sightline.on('run', show);
  sightline.on('subject', mark);
  watch('value', heard);
}
