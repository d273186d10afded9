// A slider with its name, a number to type, a reset button, and perhaps a switch.
import {fill, make} from './dom.js';

/** @type {(step: number) => number} */
const places = step => (String(step).split('.')[1] ?? '').length;
/**
 * Round a value to the nearest step within its bounds.
 * @param {number} value
 * @param {Bounds} bounds
 * @returns {number}
 */
export function snap(value, {low, high, step}) {
  const near = low + Math.round((Math.min(high, Math.max(low, value)) - low) / step) * step;
  return Number(Math.min(high, near).toFixed(places(step)));
}

/**
 * Create a slider with its name, a number to type, and a reset button.
 * @param {DialOptions} options
 * @returns {Dial}
 */
export function dial({name, label, bounds, value, reset, title, changed, says}) {
  const box = make('div', 'sl-dial'), head = make('div', 'sl-head'), text = make('label', 'sl-name', label);
  const number = make('input', 'sl-number'), range = make('input', 'sl-range'), back = make('button', 'sl-reset', '↺');
  box.dataset.name = name;
  box.title = title;
  for (const input of [number, range]) {
    Object.assign(input, {type: input === range ? 'range' : 'number', min: bounds.low, max: bounds.high, step: bounds.step});
    input.setAttribute('aria-label', input === range ? label : fill(says.number, {name: label}));
  }
  text.htmlFor = range.id = `sl-${name}`;
  back.type = 'button';
  back.setAttribute('aria-label', fill(says.reset, {name: label}));
  /** @type {(next: number) => void} */
  const put = next => { number.value = range.value = String(next); };
  /** @type {(next: number | null) => void} */
  const take = next => { if (next !== null) put(next); changed(next); };
  range.addEventListener('input', () => take(snap(range.valueAsNumber, bounds)));
  number.addEventListener('change', () => {
    const typed = number.valueAsNumber;  // NaN when the field was emptied
    take(Number.isNaN(typed) ? reset : snap(typed, bounds));
  });
  back.addEventListener('click', () => take(reset));
  head.append(text, number, back);
  box.append(head, range);
  put(value);
  const limit = () => {  // after bounds were changed
    for (const input of [number, range]) Object.assign(input, {min: bounds.low, max: bounds.high});
  };
  return {box, head, text, put, limit};
}

/**
 * Put a switch before the name of a dial.
 * @param {Dial} part
 * @param {boolean} on
 * @param {string} label
 * @param {(on: boolean) => void} changed hears the person
 * @returns {(on: boolean) => void} sets the switch
 */
export function toggle(part, on, label, changed) {
  const check = make('input', 'sl-switch');
  check.type = 'checkbox';
  check.setAttribute('aria-label', label);
  /** @type {(value: boolean) => void} */
  const set = value => { check.checked = value; part.box.classList.toggle('sl-off', !value); };
  check.addEventListener('change', () => { set(check.checked); changed(check.checked); });
  part.head.prepend(check);
  set(on);
  return set;
}
