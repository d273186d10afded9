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
 * @param {Pick<Context<{value: FoldValue<SearchStep | SearchResult | CorrectionResult, EagleCall> | Lost, words: EagleWords}, {parts(request: Known<EagleCall>): Promise<PartsPicture | Message>, flagged(request: RunCall): Promise<FlaggedWords | Message>, agreement(request: Known<AgreementCall>): Promise<AgreementTable | Message>}>, 'element' | 'props' | 'trigger' | 'server' | 'watch'>} context
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
    run: now.run, subject: sightline.whole(now.subject), target: /** @type {EagleCall['target']} */ (target.list.value), parts: parts.list.value,
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

  /** @type {(value: {picture?: string, line?: string} & Partial<Busy & Message>) => void} */
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
    const {value} = props;
    if (value && 'lost' in value && work.stoppable) work.end(says.unreachable, 'error');
    if (!value || 'lost' in value || value.asked !== asks) return;  // our own question coming back, or an answer to one before
    if ('busy' in value) {
      work.step(value);
      return show(value);
    }
    if ('found' in value && !('before' in value)) foundKey = key();
    weigh();
    show(value);
    if ('text' in value) work.end(value.text, value.kind);
    else work.end('', '', line);
    if ('before' in value) answers.replaceChildren(answer(says.before, value.before), answer(says.after, value.after));
  }

  // The table under what a search found, for the maps at the settings of now.
  async function weigh() {
    const wanted = foundKey === key() ? sightline.canonical([foundKey, now.settings, now.entry?.maps.map(map => map.parts.length)]) : '';
    numbers.hidden = !wanted;
    if (!wanted || weighed === wanted) return;
    weighed = wanted;
    const got = await server.agreement({...asked(), panel: now.panel, options: now.options}).catch(() => null);
    if (weighed !== wanted) return;
    if (!got || !('rows' in got)) {
      weighed = '';
      return numbers.replaceChildren();
    }
    /** @type {(row: string[]) => [HTMLTableCellElement, ...string[]]} */
    const named = ([name, ...cells]) => [make('th', '', name), ...cells];
    const title = make('h3', 'sl-eagle-title', says.agreement);
    numbers.replaceChildren(title, figureTable([says.map, ...got.columns], got.rows.map(named)), make('p', 'sl-caption', got.rest));
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
    const got = await server.parts({...asked(), target: 'answer'}).catch(() => /** @type {Message} */ ({text: says.unreachable, kind: 'error'}));
    if (partsKey !== wanted || work.going) return;
    answers.replaceChildren();
    if ('text' in got) work.say(got.text, got.kind);
    else work.say('', '');
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
    const got = await server.flagged({run}).catch(() => null);
    if (run !== now.run || !got || !('flagged' in got) || !got.flagged.length) return;
    const buttons = got.flagged.map(({subject, text, label}) => {
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
