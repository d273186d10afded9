// How much each word of the answer rests on the picture: a bar in its chip, and an order and a
// filter by it.
import {make} from './dom.js';
import {bySentence} from './sentences.js';
import {sightline} from './state.js';
import {check, choose, menu} from './toolbar.js';

/**
 * Show on the chips how much each word rests on the picture, and order and filter them by it.
 * @param {TokenBar} bar
 * @param {RestsWords | null} words
 * @returns {void}
 */
export function showEvidence({box, chips, itemOf, chipOf, follow, player}, words) {
  const {now} = sightline;
  let order = 'said', only = false;

  const answerItems = () => now.chips.filter(item => item.role === 'answer');

  // Give each chip its bar, and its name for those who hear it.
  function decorate() {
    for (const chip of chips()) {
      const item = itemOf(chip), told = item && now.rests?.[item.index];
      chip.querySelector('.sl-rests')?.remove();
      chip.classList.toggle('sl-against', Boolean(told?.against));
      if (!told) continue;
      const bar = make('i', 'sl-rests');
      bar.style.setProperty('--share', String(told.share));
      bar.setAttribute('aria-hidden', 'true');
      chip.append(bar);
      chip.title = told.text;
      chip.setAttribute('aria-label', [item.label ?? item.text, told.text].join(', '));
    }
  }

  // Which words of the answer are shown, and in which order.
  function arranged() {
    const items = answerItems().filter(item => !only || !now.rests || now.rests[item.index]?.sensitive);
    /** @type {(item: BarChip) => number} */
    const share = item => now.rests?.[item.index]?.share ?? 0;
    return order === 'said' || !now.rests ? items : [...items].sort((a, b) => share(b) - share(a));
  }

  function arrange() {
    const row = box.querySelector('.sl-answer .sl-list');
    if (!row || now.run === null) return;
    const there = new Map(chips().map(chip => [Number(chip.dataset.chip), chip])), shown = arranged();
    /** @type {(item: BarChip) => HTMLElement} */
    const chip = item => there.get(item.index) ?? chipOf(item, false);
    row.replaceChildren(...order === 'said' && !only ? bySentence(shown, now.facts, chip) : shown.map(chip));
    const rest = now.subjects.filter(s => !shown.some(item => item.index === s.chip));
    sightline.set({subjects: [...shown.map(item => ({chip: item.index})), ...rest]});
    decorate();
    follow();
  }

  /** @type {(words: RestsWords) => HTMLElement} */
  function controlsOf(words) {
    const orders = choose(words.order, words.orders, value => { order = value; arrange(); });
    const filter = check(words.filter, words.legend, on => { only = on; arrange(); });
    const sheet = menu(words.menu, words.menuLong, make('p', 'sl-legend-text', words.legend), orders.box, filter.box);
    sheet.classList.add('sl-evidence');
    orders.put(order);
    filter.put(only);
    return sheet;
  }

  function offer() {
    if (now.run === null) return;
    box.querySelector('.sl-evidence')?.remove();
    if (words && now.rests && Object.keys(now.rests).length > 1) player.box.append(controlsOf(words));
    if (order !== 'said' || only) arrange();
    else decorate();
  }

  sightline.on('run chips rests', offer);
  sightline.on('template', decorate);
}
