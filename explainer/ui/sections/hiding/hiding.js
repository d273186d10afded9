// Hide a region: the place that a map of the chosen word shows, or a rectangle, is hidden, and
// the model reads the answer again, or answers again. props.value to Python: {run,
// subject, panel, options, method, image, how, box, fill, ask}; from Python for that `ask`:
// {asked, busy}, {asked, text, kind} or what became of the words. Events: measure, again.
import {boxOnMaps} from './box.js';
import {make, partOf} from '../../../web/js/dom.js';
import {sightline} from '../../../web/js/state.js';
import {figureTable} from '../../../web/js/table.js';
import {choose, tool} from '../../../web/js/toolbar.js';

/**
 * Build the section that hides a region, once it is opened.
 * @param {Pick<Context<{value: FoldValue<HidingResult, HidingCall>, words: HidingWords}>, 'element' | 'props' | 'trigger' | 'watch'>} context
 * @returns {void}
 */
export function unfold({element, props, trigger, watch}) {
  const root = /** @type {HTMLDetailsElement} */ (partOf(element, '.sl-whatif')), says = props.words, {now} = sightline;
  let asks = 0, shownKey = '', askedKey = '';

  const body = make('div', 'sl-whatif-body'), bar = make('div', 'sl-whatif-bar'), message = make('p', 'sl-whatif-said');
  const result = make('div', 'sl-whatif-result'), line = make('p', 'sl-whatif-line'), verdict = make('p', 'sl-whatif-verdict');
  const evidence = make('div', 'sl-whatif-evidence'), shots = make('div', 'sl-whatif-shots'), numbers = make('div', 'sl-whatif-numbers sl-figures');
  const how = choose(says.how, says.hows, place), map = choose(says.map, {}, follow), under = choose(says.fill, says.fills, follow);
  const measure = tool(says.measure, says.measureLong, () => ask('measure')), again = tool(says.again, says.againLong, () => ask('again'));
  const draw = tool(says.draw, says.drawLong, drawBox), box = boxOnMaps(drawn);
  message.setAttribute('role', 'status');
  line.setAttribute('role', 'status');
  bar.append(how.box, map.box, draw, under.box, measure, again);
  evidence.append(shots, numbers);
  result.append(line, verdict, evidence);
  result.hidden = true;
  body.append(make('p', 'sl-caption', says.about), bar, message, result);
  root.append(body);

  const asked = () => ({
    run: now.run, subject: sightline.whole(now.subject), panel: now.panel, options: now.options,
    method: map.list.value, image: now.image, how: how.list.value, box: box.value, fill: under.list.value,
  });

  /** @type {(event: 'measure' | 'again') => void} */
  function ask(event) {
    if (now.run === null || now.subject === null) return;
    askedKey = sightline.canonical(asked());
    props.value = {...asked(), ask: ++asks};
    trigger(event, {});
    if (event === 'measure') say(says.waiting, 'busy');
    else document.querySelector('.sl-tokens')?.scrollIntoView({block: 'nearest'});  // where it answers
  }

  /** @type {(result: HidingResult) => HTMLElement} */
  function table({columns, rows}) {
    /** @type {(row: string[]) => [HTMLTableCellElement, ...string[]]} */
    const named = ([word, ...shares]) => [Object.assign(make('th', '', word), {dir: 'auto'}), ...shares];
    return figureTable([says.word, ...columns], rows.map(named));
  }

  /** @type {(picture: ShownPicture) => HTMLElement} */
  function shot({src, label}) {
    const figure = make('figure'), picture = make('img');
    picture.src = src;
    picture.alt = '';
    figure.append(picture, make('figcaption', '', label));
    return figure;
  }

  /** @type {(found: HidingResult) => void} */
  function report(found) {
    const word = make('strong', '', found.word);
    word.dir = 'auto';
    line.replaceChildren(...(found.word ? [word, ` ${found.line}`] : []));
    verdict.textContent = [found.verdict, found.note].filter(Boolean).join(' ');
    shots.replaceChildren(...found.pictures.map(shot));
    numbers.replaceChildren(...(found.rows.length ? [table(found)] : []), make('p', 'sl-caption', found.rest));
    result.hidden = false;
    shownKey = askedKey;
    follow();
  }

  function heard() {
    const {value} = props;
    if (value?.asked !== asks) return;  // our own question coming back, or an answer to one before
    if ('busy' in value) say(value.busy, 'busy');
    else if ('kind' in value) say(value.text, value.kind);
    else say('', '');
    if ('pictures' in value) report(value);
  }

  /** @type {(text: string, kind: string) => void} */
  function say(text, kind) {
    message.textContent = text;
    message.dataset.kind = kind;
    body.setAttribute('aria-busy', String(kind === 'busy'));
  }

  // What was measured stays, marked as late once something else is chosen.
  function follow() {
    const drawing = how.list.value === 'box';
    draw.hidden = !drawing;
    map.box.hidden = drawing || map.list.length < 2;
    measure.disabled = again.disabled = now.run === null || now.subject === null || drawing && !box.value;
    result.classList.toggle('sl-late', shownKey !== sightline.canonical(asked()));
  }

  function list() {
    const chosen = map.list.value, maps = now.entry?.maps ?? [];
    map.list.replaceChildren(...maps.map(({name, label}) => new Option(label, name)));
    map.put(maps.some(({name}) => name === chosen) ? chosen : maps[0]?.name);
    follow();
  }

  // What is to be hidden was chosen: a map's place is there, a rectangle has to be drawn.
  function place() {
    if (how.list.value === 'box' && root.open) return drawBox();
    box.clear();
    say('', '');
    follow();
  }

  function drawBox() {
    if (now.run === null) return;
    box.ask();
    say(says.drawing, '');
    document.querySelector('.sl-maps')?.scrollIntoView({block: 'nearest'});
    follow();
  }

  /** @type {(found: Rectangle | null) => void} */
  function drawn(found) {
    say('', '');
    follow();
    (found ? measure : draw).focus();
  }

  root.addEventListener('toggle', () => { if (!root.open) place(); });  // a rectangle is drawn anew next time
  sightline.on('run', () => { result.hidden = true; say('', ''); });
  sightline.on('entry', list);
  sightline.on('run subject extra settings image', follow);
  watch('value', heard);
}
