// Parts that words need: the picture with its parts, the search for those that make the model say a
// word, with the map so far, and hiding them until the word is gone. props.value to Python: {run,
// subject, target, parts, regions, hiding, image, ask}; from Python for that `ask`: {asked, busy},
// with {done, total, picture} once readings come in; {asked, text, kind}; or {asked, line, picture},
// with {before, after} of a correction; and {lost} if the server does not answer. Events: search,
// correct, halt. Server functions: parts, flagged, agreement.
import {make, partOf} from '../../../web/js/dom.js';
import {sightline} from '../../../web/js/state.js';
import {figureTable} from '../../../web/js/table.js';
import {choose, tool} from '../../../web/js/toolbar.js';
import {longWork} from '../../../web/js/work.js';

/**
 * Build the section, once it is opened.
 * @param {Pick<Context, 'element' | 'props' | 'trigger' | 'server' | 'watch'>} context
 * @returns {void}
 */
export function unfold({element, props, trigger, server, watch}) {
  const root = /** @type {HTMLDetailsElement} */ (partOf(element, '.sl-eagle')), says = props.words, {now} = sightline;
  let asks = 0, partsKey = '', foundKey = '', weighed = '', frame = 0;

  const body = make('div', 'sl-eagle-body'), flags = make('p', 'sl-eagle-flags'), bar = make('div', 'sl-eagle-bar');
  const target = choose(says.target, says.targets, changed), parts = choose(says.parts, says.kinds, changed);
  const count = choose(says.count, says.counts, changed), hiding = choose(says.hiding, says.hidings, changed);
  const search = tool(says.search, says.searchLong, () => ask('search')), fix = tool(says.correct, says.correctLong, () => ask('correct'));
  const work = longWork(says, body, {halt, changed: follow});
  const result = make('div', 'sl-eagle-result'), picture = make('img', 'sl-eagle-picture'), told = make('div', 'sl-eagle-told');
  const line = make('p', 'sl-eagle-line'), answers = make('div', 'sl-eagle-answers'), numbers = make('div', 'sl-figures');
  count.put('36');
  line.setAttribute('role', 'status');
  picture.alt = says.drawn;
  bar.append(target.box, parts.box, count.box, hiding.box, search, fix);
  told.append(line, answers, numbers);
  result.append(picture, told);
  body.append(make('p', 'sl-caption', says.about), flags, bar, work.box, work.message, result);
  root.append(body);
  result.hidden = flags.hidden = true;

  const asked = () => ({
    run: now.run, subject: sightline.whole(now.subject), target: target.list.value, parts: parts.list.value,
    regions: Number(count.list.value), hiding: hiding.list.value, image: now.image,
  });
  const key = () => sightline.canonical(asked());
  const ready = () => now.run !== null && (now.subject !== null || target.list.value === 'answer');

  /** @type {(event: 'search' | 'correct') => void} */
  function ask(event) {
    if (!ready() || work.going) return;
    props.value = {...asked(), ask: ++asks};
    if (event === 'search') foundKey = '';
    trigger(event, {});
    answers.replaceChildren();
    work.start();
  }

  // Python says when it has stopped; what was drawn until then stays.
  function halt() {
    props.value = {ask: ++asks};
    trigger('halt', {});
    work.halting();
  }

  /** @type {(value: {picture?: string, line?: string}) => void} */
  function show(value) {
    if (value.picture) picture.src = value.picture;
    result.hidden = !picture.src;
    if (value.line !== undefined) line.textContent = value.line;
  }

  /** @type {(title: string, pieces: {text: string, changed: boolean}[]) => HTMLElement} */
  function answer(title, pieces) {
    const box = make('section', 'sl-eagle-answer'), text = make('p', '');
    text.dir = 'auto';
    text.append(...pieces.map(piece => make(piece.changed ? 'mark' : 'span', '', piece.text)));
    box.append(make('h3', 'sl-eagle-title', title), text);
    return box;
  }

  function heard() {
    const value = props.value;
    if (value?.lost && work.stoppable) work.end(says.unreachable, 'error');
    if (value?.asked !== asks) return;  // our own question coming back, or an answer to one before
    if (value.busy) {
      work.step(value);
      return show(value);
    }
    if (value.found && !value.before) foundKey = key();
    weigh();
    const focused = work.end(value.text ?? '', value.kind ?? '');
    show(value);
    if (value.before) answers.replaceChildren(answer(says.before, value.before), answer(says.after, value.after));
    if (focused) (fix.disabled ? search : fix).focus();
  }

  // The table under what a search found, for the maps at the settings of now.
  async function weigh() {
    const wanted = foundKey === key() ? sightline.canonical([foundKey, now.settings, now.entry?.maps.map(map => map.parts.length)]) : '';
    numbers.hidden = !wanted;
    if (!wanted || weighed === wanted) return;
    weighed = wanted;
    let got;
    try {
      got = await server.agreement({...asked(), panel: now.panel, options: now.options});
    } catch { got = {}; }
    if (weighed !== wanted) return;
    if (!got.rows) {
      weighed = '';
      return numbers.replaceChildren();
    }
    const rows = got.rows.map((/** @type {string[]} */ [name, ...cells]) => [make('th', '', name), ...cells]);
    const title = make('h3', 'sl-eagle-title', says.agreement);
    numbers.replaceChildren(title, figureTable([says.map, ...got.columns], rows), make('p', 'sl-caption', got.rest));
  }

  function follow() {
    search.disabled = work.going || !ready();
    fix.disabled = work.going || !ready() || target.list.value === 'answer' || foundKey !== key();
  }

  // The parts are drawn before a search, for the newest choice.
  async function cut() {
    frame = 0;
    const wanted = sightline.canonical([now.run, now.image, parts.list.value, count.list.value, hiding.list.value]);
    if (!root.open || now.run === null || work.going || partsKey === wanted) return;
    partsKey = wanted;
    let got;
    try {
      got = await server.parts({...asked(), target: 'answer'});
    } catch { got = {text: says.unreachable, kind: 'error'}; }
    if (partsKey !== wanted || work.going) return;
    answers.replaceChildren();
    work.say(got.text ?? '', got.kind ?? '');
    show(got);
  }

  function changed() {
    follow();
    frame ||= requestAnimationFrame(cut);
  }

  async function flag() {
    const {run, rests} = now;
    flags.hidden = true;
    if (run === null || !rests || !root.open) return;
    let got;
    try {
      got = await server.flagged({run});
    } catch { return; }
    if (run !== now.run || !got.flagged?.length) return;
    const buttons = got.flagged.map((/** @type {{subject: Explained, text: string, label: string}} */ {subject, text, label}) => {
      const button = tool(text, label, () => sightline.set({subject, peek: null}));
      button.dir = 'auto';
      return button;
    });
    flags.replaceChildren(says.flagged, ...buttons);
    flags.hidden = false;
  }

  sightline.on('run', () => {
    if (work.stoppable) halt();
    partsKey = foundKey = '';
    result.hidden = true;
    picture.removeAttribute('src');
    work.say('', '');
  });
  root.addEventListener('toggle', () => { changed(); flag(); });
  sightline.on('run rests', flag);
  sightline.on('run subject extra image', changed);
  sightline.on('subject extra settings entry', weigh);
  watch('value', heard);
}
