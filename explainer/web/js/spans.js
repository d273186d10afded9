// Several chips as one: dragged over, extended with Shift, or the pieces of a word by a double
// click.
import {targetOf} from './dom.js';
import {sightline} from './state.js';

/**
 * List the chips of the row that a chip stands in.
 * @param {HTMLElement} chip
 * @returns {HTMLElement[]}
 */
export function rowOf(chip) { return [...listOf(chip)?.querySelectorAll('.sl-chip') ?? []]; }

/** @type {(chip: HTMLElement) => HTMLElement | null} */
const listOf = chip => chip.closest('.sl-list');

/**
 * Let a person choose several chips as one.
 * @param {TokenBar} bar
 * @returns {{extend(chip: HTMLElement): void}} `extend` chooses up to a chip
 */
export function joinSpans({box, chips, itemOf, subjectOf, mark, select, follow}) {
  const {now} = sightline;
  /** @type {HTMLElement | null} */
  let dragged = null;

  // What is explained from one chip to another of the same row, ends included.
  /** @type {(one: HTMLElement, other: HTMLElement) => Explained} */
  function between(one, other) {
    const row = rowOf(one), ends = [row.indexOf(one), row.indexOf(other)];
    const some = row.slice(Math.min(...ends), Math.max(...ends) + 1);
    const tokens = some.flatMap(chip => itemOf(chip)?.tokens ?? []);
    return some.length === 1 ? subjectOf(one) : {tokens, by: now.subject?.by ?? 'max'};
  }

  // From the chip that was chosen last by itself up to this one.
  /** @type {(chip: HTMLElement) => void} */
  function extend(chip) {
    if (now.run === null) return;
    const anchor = chips().find(other => other.dataset.anchor) ?? chosenChip();
    if (!anchor || listOf(anchor) !== listOf(chip)) return select(chip);
    anchor.dataset.anchor = '1';
    chip.focus();
    sightline.set({subject: between(anchor, chip), peek: null});
  }

  const chosenChip = () => box.querySelector('.sl-chip:is([aria-selected=true], .sl-place)');

  function dropAnchor() {
    if (now.subject?.tokens) return;
    for (const chip of chips()) delete chip.dataset.anchor;
  }

  box.addEventListener('pointerdown', event => {
    if (event.pointerType === 'mouse' && event.button === 0 && !event.shiftKey) dragged = targetOf(event).closest('.sl-chip');
  });
  box.addEventListener('pointerover', event => {
    const chip = targetOf(event).closest('.sl-chip');
    if (!dragged || !chip || listOf(chip) !== listOf(dragged) || now.run === null) return;
    const subject = between(dragged, chip);
    mark(subject.tokens ?? itemOf(dragged)?.tokens ?? [], false);
  });
  document.addEventListener('pointerup', event => {
    const from = dragged, chip = targetOf(event).closest?.('.sl-chip');
    dragged = null;
    if (!from || now.run === null) return;
    if (chip && chip !== from && listOf(chip) === listOf(from)) sightline.set({subject: between(from, chip), peek: null});
    else follow();
  });
  box.addEventListener('dblclick', event => {
    const chip = targetOf(event).closest('.sl-chip'), item = chip && now.run !== null && itemOf(chip);
    if (item && item.word.length > item.tokens.length) sightline.set({subject: {tokens: item.word, by: 'max'}, peek: null});
  });
  sightline.on('subject', dropAnchor);
  return {extend};
}
