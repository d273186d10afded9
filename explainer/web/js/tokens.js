// The chips: one listbox, answer first, prompt below. Text enters through textContent only.
// props.value from Python: {run, subject, chips, live, layers, rests, facts}; back to Python: {run,
// subject}.
import {fill, make, partOf, targetOf} from './dom.js';
import {showEvidence} from './evidence.js';
import {film} from './film.js';
import {bySentence} from './sentences.js';
import {joinSpans, rowOf} from './spans.js';
import {sightline} from './state.js';

/**
 * Mount the chips.
 * @param {Pick<Context<{value: TokenBarValue | null, words: PlayingWords, rests?: RestsWords | null}>, 'element' | 'props' | 'watch'>} context
 * @returns {void}
 */
export function mount({element, props, watch}) {
  const box = partOf(element, '.sl-tokens'), {now} = sightline;
  box.setAttribute('aria-label', props.words.list);
  const chips = () => [...box.querySelectorAll('.sl-chip')];
  const player = film(() => box.querySelectorAll('.sl-answer .sl-chip').length, props.words);

  /** @type {HTMLElement[]} */
  let marked = [];  // only these differ from the others, of which there may be a thousand

  // Mark the chips that are explained, or those in whose place another word would stand.
  /** @type {TokenBar['mark']} */
  function mark(tokens, unsaid) {
    const all = chips(), wanted = new Set(tokens);
    const chosen = all.filter(chip => itemOf(chip)?.tokens.some(token => wanted.has(token)));
    for (const chip of marked) {
      chip.tabIndex = -1;
      chip.setAttribute('aria-selected', 'false');
      chip.classList.remove('sl-place');
    }
    for (const chip of chosen) {
      chip.setAttribute('aria-selected', String(!unsaid));
      chip.classList.toggle('sl-place', unsaid);
      chip.closest('.sl-sentence')?.setAttribute('open', '');
    }
    const first = chosen.find(chip => chip === document.activeElement) ?? chosen[0] ?? all[0];
    if (first) first.tabIndex = 0;  // one stop for the Tab key
    marked = [...chosen, ...first ? [first] : []];
  }

  /** @type {(chip: HTMLElement | null) => void} */
  function select(chip) {
    if (!chip || now.run === null) return;
    chip.closest('details:not(.sl-sentence)')?.setAttribute('open', '');
    chip.focus();
    sightline.set({subject: subjectOf(chip), peek: null, playing: false});
  }

  /** @type {TokenBar['itemOf']} */
  const itemOf = chip => now.chips[Number(chip.dataset.chip)];
  /** @type {TokenBar['subjectOf']} */
  const subjectOf = chip => ({chip: Number(chip.dataset.chip)});

  // What is explained, whoever chose it, is marked.
  function follow() {
    if (now.run === null) return;
    const {chip, tokens, at} = now.subject?.plus ?? now.subject ?? {};
    if (sightline.canonical(props.value) !== sightline.canonical({run: now.run, subject: now.subject})) {
      props.value = {run: now.run, subject: now.subject};
    }
    const own = now.chips.find(item => item.index === chip)?.tokens;
    mark(own ?? tokens ?? (at === undefined ? [] : [at]), at !== undefined);
    if (now.playing || box.closest('.sl-present')) box.querySelector('[aria-selected=true]')?.scrollIntoView({block: 'nearest'});
  }

  /** @type {TokenBar['chipOf']} */
  function chipOf(item, live) {
    const chip = make('button', 'sl-chip', item.text);
    chip.type = 'button';
    chip.dataset.chip = String(item.index);
    chip.dir = 'auto';
    chip.tabIndex = -1;
    chip.setAttribute('role', 'option');
    chip.setAttribute('aria-selected', 'false');
    chip.setAttribute('aria-label', item.label ?? item.text);
    if (live) chip.setAttribute('aria-disabled', 'true');
    return chip;
  }

  /** @type {(role: string, label: string, items: BarChip[], live: boolean) => HTMLElement} */
  function group(role, label, items, live) {
    const part = make('div', `sl-group sl-${role}`), name = make('span', 'sl-role', label);
    const list = make('div', 'sl-list');  // a listbox may hold options only, and a row has tools, too
    part.setAttribute('role', 'group');
    part.setAttribute('aria-label', label);
    name.setAttribute('aria-hidden', 'true');
    list.setAttribute('role', 'listbox');
    list.setAttribute('aria-multiselectable', 'true');
    list.setAttribute('aria-label', label);
    list.append(...live ? items.map(item => chipOf(item, true)) : bySentence(items, now.facts, item => chipOf(item, false)));
    part.append(name, list);
    return part;
  }

  /** @type {(label: string, items: BarChip[]) => HTMLElement} */
  function fold(label, items) {
    const details = make('details', 'sl-thought');
    details.append(make('summary', '', `${label} (${items.length})`), group('answer', label, items, false));
    return details;
  }

  // What was said before, a row for each text.
  /** @type {(items: BarChip[], live: boolean) => HTMLElement} */
  function thread(items, live) {
    const details = make('details', 'sl-thread');
    /** @type {BarChip[][]} */
    const rows = [];
    for (const item of items) {
      if (rows.at(-1)?.[0].role === item.role) rows[rows.length - 1].push(item);
      else rows.push([item]);
    }
    details.open = !matchMedia('(max-width: 600px)').matches;  // there it would cover the maps
    details.append(make('summary', '', props.words.earlier));
    let turn = 0;
    for (const row of rows) {
      if (row[0].role === 'earlier_prompt') turn += 1;
      details.append(group(row[0].role, fill(props.words[row[0].role], {turn}), row, live));
    }
    return details;
  }

  function show() {
    /** @type {TokenBarValue | null} */
    const value = props.value;
    if (!value?.chips) {  // our own {run, subject} coming back, or nothing new: then it goes to Python again
      follow();
      return;
    }
    const {chips: items, live = false, layers = [], rests = null, undrawable = '', facts = null} = value, held = box.contains(document.activeElement);
    const answer = items.filter(item => item.role === 'answer' && !item.thought);
    const thought = items.filter(item => item.thought);
    const prompt = items.filter(item => item.role === 'prompt');
    const earlier = items.filter(item => item.role === 'system' || item.role.startsWith('earlier'));
    if (!live) sightline.set({facts});
    const parts = [];
    if (earlier.length) parts.push(thread(earlier, live));
    if (answer.length || live) parts.push(group('answer', props.words.answer, answer, live));
    if (answer.length > 1 && !live) partOf(parts[parts.length - 1], '.sl-role').after(player.box);
    if (thought.length) parts.push(fold(props.words.thought, thought));
    if (prompt.length) parts.push(group('prompt', props.words.prompt, prompt, live));
    // On a phone Explain is far below the answer.
    if (live && !box.classList.contains('sl-live') && matchMedia('(max-width: 600px)').matches) {
      document.querySelector('#sl-see')?.scrollIntoView();
    }
    box.replaceChildren(...parts);
    box.classList.toggle('sl-live', live);
    if (live) return sightline.set({run: null, chips: [], peek: null});
    if (value.run && value.run === now.run) sightline.set({chips: items});  // sent twice: what was chosen meanwhile stays
    else {
      const subjects = [...answer, ...prompt].map(item => ({chip: item.index}));
      sightline.set({run: value.run ?? null, chips: items, subject: value.subject ?? null, subjects, peek: null});
    }
    sightline.set({layers, rests, undrawable});
    showTemplate();
    if (held) box.querySelector('.sl-chip[tabindex="0"]')?.focus();  // the keyboard stays where it was
  }

  // Chips of the template are built when somebody wants to see them.
  function showTemplate() {
    const items = now.template && now.run !== null ? now.chips.filter(item => item.role === 'template') : [];
    box.querySelector('.sl-template')?.remove();
    if (items.length) box.append(group('template', props.words.template, items, false));
    follow();
  }

  box.addEventListener('click', event => {
    const chip = targetOf(event).closest('.sl-chip');
    if (chip && (event.shiftKey || now.extending)) extend(chip);
    else select(chip);
  });
  box.addEventListener('keydown', event => {
    const chip = targetOf(event).closest('.sl-chip');
    if (!chip || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === ' ' && now.run !== null) {
      event.preventDefault();
      return player.toggle();
    }
    const row = rowOf(chip), at = row.indexOf(chip);
    const rows = [...box.querySelectorAll('.sl-group')], line = rows.findIndex(group => group.contains(chip));
    /** @type {(other: HTMLElement | undefined) => HTMLElement | null | undefined} */
    const enter = other => other?.querySelector('[aria-selected=true]') ?? other?.querySelector('.sl-chip');
    /** @type {Record<string, () => HTMLElement>} */
    const targets = {
      ArrowRight: () => row[at + 1] ?? chip,
      ArrowLeft: () => row[at - 1] ?? chip,
      Home: () => row[0],
      End: () => row[row.length - 1],
      ArrowDown: () => enter(rows[line + 1]) ?? chip,
      ArrowUp: () => enter(rows[line - 1]) ?? chip,
    };
    const target = targets[event.key]?.();
    if (!target) return;
    event.preventDefault();
    if (event.shiftKey) extend(target);
    else select(target);
  });
  // A move, and not the pointer's coming over: a chip that slides under a resting pointer is not meant.
  /** @type {HTMLElement | null} */
  let under = null;
  box.addEventListener('pointermove', event => {
    const chip = targetOf(event).closest('.sl-chip');
    if (event.buttons || event.pointerType !== 'mouse' || !chip || chip === under || now.run === null) return;
    under = chip;
    sightline.set({peek: subjectOf(chip)});
  });
  box.addEventListener('pointerleave', () => { under = null; sightline.set({peek: null}); });
  sightline.on('run subject', follow);
  sightline.on('template', showTemplate);
  watch('value', show);
  show();
  const bar = {box, chips, itemOf, subjectOf, chipOf, mark, select, follow, player};
  const {extend} = joinSpans(bar);
  showEvidence(bar, props.rests ?? null);
}
