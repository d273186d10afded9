// What else could have stood in place of the chosen word: candidates with their probabilities,
// and any word that is typed. Each is explained, or set against the chosen one. Text enters
// through textContent only. props.value to Python: {run, at, word} or {run, answer}; from Python:
// {run, subject} for a typed word, {run, busy} and {run, text, kind}. Server function: places.
// props.known are all words that can be typed, if they are few; without props.words.edit no answer can
// be edited.
import {fill, focused, make, partOf, targetOf} from './dom.js';
import {sightline} from './state.js';
import {tool} from './toolbar.js';

/**
 * Mount the row of words that could have stood in place of the chosen one.
 * @param {Pick<Context<{value: {run: string | null} & (TypedWord | Busy | Message | Omit<TypedCall, 'run'> | Omit<AnswerCall, 'run'>) | null, words: WordsBesideRowWords, known?: string[]}, {places(request: Known<RunCall>): Promise<WordPlaces | Message>}>, 'element' | 'props' | 'trigger' | 'server' | 'watch'>} context
 * @returns {void}
 */
export function mount({element, props, trigger, server, watch}) {
  const root = partOf(element, '.sl-beside'), {now} = sightline, says = props.words;
  /** @type {Omit<WordPlaces, 'run'> & {run: string | null}} */
  let known = {run: null, places: [], answer: ''};
  /** @type {{run: string | null, make(subject: Explained): Explained} | null} */
  let awaited = null;
  /** @type {string | null} */
  let fetching = null;

  /** @type {(a: unknown, b: unknown) => boolean} */
  const same = (a, b) => sightline.canonical(a ?? null) === sightline.canonical(b ?? null);
  /** @type {(subject: Explained | null) => Explained | null} */
  const word = subject => subject?.plus ?? subject;  // what is explained, alone or against another

  /** @type {(name: string, label: string | null, subject: Explained | null, act: () => void) => HTMLButtonElement} */
  function half(name, label, subject, act) {  // one of the two buttons of a word
    const node = make('button', name);
    node.type = 'button';
    if (label) node.setAttribute('aria-label', label), node.title = label;
    node.dataset.key = name + sightline.canonical(subject);
    node.addEventListener('click', act);
    return node;
  }

  const role = make('span', 'sl-role', says.instead), list = make('div', 'sl-could');
  const typed = make('form', 'sl-typed'), field = make('input', 'sl-type');
  const tools = make('div', 'sl-tools'), message = make('span', 'sl-said');
  list.setAttribute('role', 'toolbar');
  list.setAttribute('aria-label', says.list);
  field.type = 'text';
  field.maxLength = 100;
  field.placeholder = says.typed;
  field.setAttribute('aria-label', says.typed);
  field.autocomplete = 'off';
  field.dir = 'auto';
  message.setAttribute('role', 'status');
  const against = half('sl-not', says.typedNot, null, () => ask(true));
  against.textContent = says.not;
  typed.append(field, against);
  if (props.known) {
    const known = make('datalist');
    known.id = 'sl-known';
    known.append(...props.known.map(text => new Option(text, text)));
    field.setAttribute('list', known.id);
    typed.append(known);
  }
  typed.addEventListener('submit', event => { event.preventDefault(); ask(false); });

  const whole = tool(says.whole, says.wholeLong, () => {
    const place = here();
    if (!place) return;
    const all = {tokens: place.word, by: joining()};
    explain(same(word(now.subject), all) ? {chip: place.index} : all);
  });
  const extend = tool(says.extend, says.extendLong, () => sightline.set({extending: !now.extending}));
  const joining = () => /** @type {Explained['by']} */ (by.value);
  const by = make('select', 'sl-choice'), pieces = make('label', 'sl-by', says.by);
  for (const [value, text] of Object.entries(says.combine)) by.append(new Option(text, value));
  by.addEventListener('change', () => explain({...word(now.subject), by: joining()}));
  pieces.append(by);
  const template = tool(says.template, says.templateLong, () => sightline.set({template: !now.template}));
  const edit = tool(says.edit, says.editLong, () => editing(editor.hidden));
  extend.classList.add('sl-touch');
  tools.append(pieces, whole, extend, template, ...says.edit ? [edit] : []);

  const editor = make('form', 'sl-editor'), text = make('textarea', 'sl-answer-text');
  const read = make('button', 'sl-tool', says.read);
  text.setAttribute('aria-label', says.edit);
  text.rows = 2;
  text.dir = 'auto';
  read.type = 'submit';
  editor.hidden = true;
  editor.append(text, read, tool(says.cancel, says.cancel, () => editing(false)));
  editor.addEventListener('keydown', event => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    editing(false);
    edit.focus();
  });
  editor.addEventListener('submit', event => {
    event.preventDefault();
    editing(false);
    props.value = {run: now.run, answer: text.value};
    trigger('answer', {});
  });

  const row = make('div', 'sl-row');
  row.append(role, list, typed, tools);
  root.append(row, message, editor);

  /** @type {(on: boolean) => void} */
  function editing(on) {
    editor.hidden = !on;
    edit.setAttribute('aria-expanded', String(on));
    if (!on) return;
    text.value = known.answer;
    text.focus();
  }

  // The chip in whose place another word would stand: the first of what is explained.
  function here() {
    const {chip, at, tokens} = word(now.subject) ?? {};
    if (now.run === null) return null;
    const token = at ?? tokens?.[0];
    return now.chips.find(item => item.index === chip || token !== undefined && item.tokens.includes(token)) ?? null;
  }

  /** @type {(subject: Explained) => void} */
  function explain(subject) {
    sightline.set({subject, peek: null});
  }

  // One candidate: its word is explained by one button and set against the chosen one by the other.
  /** @type {(candidate: WordCandidate) => HTMLElement} */
  function could({subject, text: said, share}) {
    const box = make('span', 'sl-candidate'), plus = word(now.subject), chosen = same(plus, subject);
    const one = half('sl-could-word', '', subject, () => explain(subject)), minus = same(now.subject?.minus, subject);
    const name = make('span', 'sl-could-text', said);
    name.dir = 'auto';
    one.append(name, make('span', 'sl-share', share));
    one.setAttribute('aria-pressed', String(chosen));
    box.append(one);
    if (chosen) return box;
    const label = fill(says.contrast, {minus: said});
    const other = half('sl-not', label, subject, () => { if (plus) explain(minus ? plus : {plus, minus: subject}); });
    other.textContent = says.not;
    other.setAttribute('aria-pressed', String(minus));
    box.append(other);
    return box;
  }

  function show() {
    const place = here();
    root.hidden = !place;
    if (!place) return;
    if (known.run !== now.run) fetchPlaces();
    const held = list.contains(document.activeElement) && focused()?.dataset.key;
    list.replaceChildren(...(known.run === now.run ? known.places[place.index] : []).map(could));
    const stay = halves().find(node => node.dataset.key === held) ?? halves().find(node => node.ariaPressed === 'true');
    halves().forEach(node => { node.tabIndex = node === (stay ?? halves()[0]) ? 0 : -1; });
    if (held) stay?.focus();
    const chosen = word(now.subject) ?? {}, several = (chosen.tokens ?? []).length > 1;
    pieces.hidden = !several;
    if (several) by.value = chosen.by ?? 'max';
    whole.hidden = place.word.length === place.tokens.length;
    whole.setAttribute('aria-pressed', String(several && same(chosen.tokens, place.word)));
    template.setAttribute('aria-pressed', String(now.template));
    extend.setAttribute('aria-pressed', String(now.extending));
  }

  const halves = () => [...list.querySelectorAll('button')];
  list.addEventListener('keydown', event => {  // one stop for the Tab key, arrows within
    const all = halves(), at = all.indexOf(targetOf(event));
    /** @type {Record<string, number>} */
    const steps = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1};
    const to = steps[event.key];
    if (to === undefined || at < 0 || !all[to]) return;
    event.preventDefault();
    all[at].tabIndex = -1;
    all[to].tabIndex = 0;
    all[to].focus();
  });

  async function fetchPlaces() {
    const {run} = now;
    if (fetching === run) return;
    fetching = run;
    const got = await server.places({run}).catch(() => null);
    fetching = null;
    if (!got || !('places' in got)) return;
    known = got;
    if (got.run === now.run) show();
  }

  /** @type {(isContrast: boolean) => void} */
  function ask(isContrast) {
    const place = here(), asked = field.value;
    if (!place || !asked.trim()) return field.focus();
    const plus = word(now.subject);
    awaited = {run: now.run, make: subject => isContrast && plus ? {plus, minus: subject} : subject};
    props.value = {run: now.run, at: place.tokens[0], word: asked};
    trigger('word', {});
  }

  function heard() {
    const {value} = props;
    if (!value || value.run !== now.run || 'word' in value || 'answer' in value) return;
    const said = 'busy' in value ? {text: value.busy, kind: 'busy'} : 'text' in value ? value : {text: '', kind: ''};
    message.textContent = said.text;
    message.dataset.kind = said.kind;
    if ('subject' in value && awaited?.run === now.run) explain(awaited.make(value.subject));
    if (!('busy' in value)) awaited = null;
  }

  sightline.on('run', () => editing(false));
  sightline.on('run subject chips template extending', () => { message.textContent = ''; show(); });
  watch('value', heard);
}
