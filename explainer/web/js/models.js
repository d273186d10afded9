// The model menu. From Python: {model, groups, any, line, details, scales, said} draws all of it,
// {busy} shows how far a load is, as does "starting" in the whole. Back to Python: {model, asked, ticket, choices}.
import {make, partOf} from './dom.js';
import {sightline} from './state.js';

/**
 * Mount the model menu.
 * @param {Pick<Context<{value: MenuValue | LoadingMenu | MenuCall | null, words: ModelWords}>, 'element' | 'props' | 'trigger' | 'watch'>} context
 * @returns {void}
 */
export function mount({element, props, trigger, watch}) {
  const root = partOf(element, '.sl-models');
  /** @type {string | null} */
  let model = null;
  /** @type {string | null} */
  let asked = null;
  let ticket = '', choices = 0;

  const head = make('div', 'sl-model-head'), name = make('label', 'sl-model-name', props.words.model);
  const list = make('select', 'sl-choice'), only = make('span', 'sl-model-only');
  const typed = make('form', 'sl-model-typed'), field = make('input', 'sl-model-id');
  const load = make('button', 'sl-model-load', props.words.load);
  const line = make('p', 'sl-model-line'), about = make('span'), page = make('a', '', props.words.page), said = make('div', 'sl-model-said');
  const busy = make('div', 'sl-model-busy'), bar = make('progress'), stage = make('span', 'sl-model-stage');
  const stop = make('button', 'sl-model-stop', props.words.cancel);
  name.htmlFor = list.id = 'sl-model';
  Object.assign(field, {type: 'text', placeholder: props.words.typed, maxLength: 300, spellcheck: false});
  field.setAttribute('aria-label', props.words.typed);
  load.type = 'submit';
  stop.type = 'button';
  stage.setAttribute('role', 'status');
  bar.max = 1;
  page.target = '_blank';
  page.rel = 'noreferrer';
  line.append(about, ' ', page);
  typed.append(field, load);
  head.append(name, list, only);
  busy.append(bar, stage, stop);
  root.append(head, typed, line, busy, said);

  const back = () => { props.value = {model, asked, ticket, choices}; };

  /** @type {(id: string) => void} */
  function ask(id) {
    if (id && (id !== model || said.textContent)) choose(id);
  }

  /** @type {(id: string) => void} */
  function choose(id) {
    asked = id;
    choices += 1;
    back();
    trigger('choose', {});
  }

  /** @type {(now: ModelLoad) => void} */
  function drawBusy(now) {
    ticket = now.ticket;
    bar.toggleAttribute('value', now.fraction !== null);
    if (now.fraction !== null) bar.value = now.fraction;
    else bar.removeAttribute('value');
    bar.setAttribute('aria-label', `${now.name}: ${now.stage}`);
    const share = now.fraction === null ? '' : ` ${Math.round(100 * now.fraction)} %,`;
    stage.textContent = `${now.name}: ${now.stage},${share} ${Math.round(now.seconds)} s`;
    stop.hidden = !ticket;
    const facts = [...list.options].find(item => item.value === now.name)?.text.split(' · ').slice(1).join(' · ');
    if (!facts) return;
    list.value = now.name;  // the closed menu has no room for what follows the name
    about.textContent = facts;
    page.hidden = true;
  }

  /** @type {(on: boolean) => void} */
  function setBusy(on) {
    root.classList.toggle('sl-loading', on);
    list.disabled = field.disabled = load.disabled = on;
  }

  /** @type {(value: MenuValue) => void} */
  function drawAll(value) {
    const count = value.groups.reduce((n, group) => n + group.models.length, 0);
    model = value.model;
    asked = null;
    ticket = '';
    list.replaceChildren(...value.groups.map(group => {
      const part = make('optgroup');
      part.label = group.label;
      part.append(...group.models.map(item => new Option(item.text, item.id)));
      return part;
    }));
    list.value = value.model;
    list.hidden = count < 2;
    only.textContent = count < 2 ? list.selectedOptions[0]?.textContent ?? '' : '';
    typed.hidden = !value.any;
    about.textContent = value.line;
    page.hidden = !value.link;
    page.href = value.link || '#';
    said.textContent = value.said.text;
    said.dataset.kind = value.said.kind;
    said.setAttribute('role', value.said.kind === 'error' ? 'alert' : 'status');
    root.dataset.model = value.model;
    root.dataset.thinks = String(value.thinks);
    sightline.set({model: {scales: value.scales, details: value.details}});
  }

  // The menu anew, asked for before the person's last choice: what became of that stays.
  /** @type {(value: MenuValue) => boolean} */
  const isLate = value => 'choices' in value && value.choices !== choices;

  function show() {
    const {value} = props;
    const menu = value && 'groups' in value ? value : null, busy = value && 'busy' in value ? value.busy : menu?.starting;
    if (menu && isLate(menu)) return back();
    if (menu) drawAll(menu);
    if (busy) drawBusy(busy);
    if (!menu && !busy) return;  // our own value coming back
    setBusy(Boolean(busy));
    if (menu?.starting) choose(menu.starting.name);  // to follow it
    else back();
  }

  list.addEventListener('change', () => ask(list.value));
  typed.addEventListener('submit', event => { event.preventDefault(); ask(field.value.trim()); });
  stop.addEventListener('click', () => { stop.hidden = true; back(); trigger('cancel', {}); });
  watch('value', show);
  show();
}
