// The small controls above the maps: buttons, menus that open, and choices.
import {make, targetOf} from './dom.js';

/**
 * Create a button.
 * @param {string} text
 * @param {string} title
 * @param {() => void} act
 * @returns {HTMLButtonElement}
 */
export function tool(text, title, act) {
  const button = make('button', 'sl-tool', text);
  button.type = 'button';
  button.title = title;
  if (!/\p{L}/u.test(text)) button.setAttribute('aria-label', title);  // else it is called what it says
  button.addEventListener('click', act);
  return button;
}

/**
 * Create a button that opens a small window; a click elsewhere or Escape closes it.
 * @param {string} label
 * @param {string} title
 * @param {...HTMLElement} content
 * @returns {HTMLElement}
 */
export function menu(label, title, ...content) {
  const box = make('details', 'sl-menu'), head = make('summary', 'sl-tool', label), sheet = make('div', 'sl-sheet');
  head.title = title;
  sheet.append(...content);
  box.append(head, sheet);
  document.addEventListener('pointerdown', event => { if (!box.contains(targetOf(event))) box.open = false; });
  box.addEventListener('keydown', event => {
    if (event.key !== 'Escape' || !box.open) return;
    box.open = false;
    head.focus();
    event.stopPropagation();
  });
  return box;
}

/**
 * Create a choice of one of several.
 * @template {string} K
 * @param {string} label
 * @param {Record<K, string>} options texts by value
 * @param {(value: K) => void} changed hears the person
 * @returns {{box: HTMLElement, list: HTMLSelectElement, put(value: string): void}}
 */
export function choose(label, options, changed) {
  const box = make('label', 'sl-pick'), list = make('select', 'sl-choice');
  list.append(...Object.entries(options).map(([value, text]) => new Option(text, value)));
  list.setAttribute('aria-label', label);
  list.addEventListener('change', () => changed(/** @type {K} */ (list.value)));
  box.append(make('span', 'sl-name', label), list);
  return {box, list, put(value) { list.value = value; }};
}

/**
 * Create a box to tick.
 * @param {string} label
 * @param {string} title
 * @param {(on: boolean) => void} changed hears the person
 * @returns {{box: HTMLElement, input: HTMLInputElement, put(on: boolean): void}}
 */
export function check(label, title, changed) {
  const box = make('label', 'sl-check'), input = make('input');
  input.type = 'checkbox';
  box.title = title;
  input.addEventListener('change', () => changed(input.checked));
  box.append(input, make('span', '', label));
  return {box, input, put(on) { input.checked = on; }};
}
