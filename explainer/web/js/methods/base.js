// What a knob may be. Twin of explainer/methods/base.py; names, bounds and defaults are those that
// Python declares.
import {Refusal} from './run.js';

/**
 * Return all knobs of a method with these values set.
 * @param {MethodSpec} method
 * @param {Record<string, unknown>} knobs
 * @param {string | null} preset
 * @returns {Settings}
 */
export function settingsOf(method, knobs, preset = null) {
  const known = new Map(method.knobs.map(knob => [knob.name, knob]));
  const unknown = Object.keys(knobs).filter(name => !known.has(name)).sort()[0];
  if (unknown !== undefined) throw new Refusal(`${method.name} has no knob '${unknown}'; it has ${[...known.keys()].join(', ')}`);
  if (preset !== null && !(preset in method.presets)) {
    throw new Refusal(`${method.name} has no preset '${preset}'; it has ${Object.keys(method.presets).join(', ') || 'none'}`);
  }
  const values = Object.fromEntries(method.knobs.map(knob => [knob.name, knob.default]));
  const checked = Object.entries(knobs).flatMap(([name, value]) => {
    const knob = known.get(name);
    return knob ? [[name, CHECKS[knob.kind](knob, value)]] : [];
  });
  return /** @type {Settings} */ ({...values, ...preset === null ? {} : method.presets[preset], ...Object.fromEntries(checked)});
}

// A number for people, in six digits at most.
/** @type {(value: number) => string} */
const shown = value => Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));

/** @type {(knob: KnobSpec, value: unknown) => number} */
function number(knob, value) {
  if (typeof value !== 'number') throw new Refusal(`${knob.name} is a number, got ${typeof value}`);
  if (!(knob.low - 1e-9 <= value && value <= knob.high + 1e-9)) {
    throw new Refusal(`${knob.name} must lie in ${shown(knob.low)}..${shown(knob.high)}, got ${shown(value)}`);
  }
  return value;
}

/** @type {(knob: KnobSpec, value: unknown) => number} */
function whole(knob, value) {
  const whole = number(knob, value);
  if (!Number.isInteger(whole)) throw new Refusal(`${knob.name} is a whole number, got ${whole}`);
  if ((whole - knob.low) % knob.step) {
    throw new Refusal(`${knob.name} must be one of ${knob.low}, ${knob.low + knob.step}, ... ${knob.high}, got ${whole}`);
  }
  return whole;
}

/** @type {(knob: KnobSpec, value: unknown) => KnobValue} */
function choice(knob, value) {
  if (typeof value !== 'string' || !knob.choices.includes(value)) throw new Refusal(`${knob.name} must be one of ${knob.choices.join(', ')}, got '${value}'`);
  return value;
}

/** @type {(knob: KnobSpec, values: unknown, entries: string) => number[]} */
function few(knob, values, entries) {
  if (!Array.isArray(values)) throw new Refusal(`${knob.name} is a list of ${entries}`);
  const numbers = values.map(value => number(knob, value));
  if (numbers.length < 1 || numbers.length > knob.most) throw new Refusal(`${knob.name} takes 1 to ${knob.most} ${entries}, got ${numbers.length}`);
  return numbers;
}

/** @type {(knob: KnobSpec, values: unknown) => number[] | null} */
function weights(knob, values) {
  if (values === null && knob.default === null) return null;
  const numbers = few(knob, values, 'weights');
  if (!numbers.some(value => value)) throw new Refusal(`${knob.name}: at least one weight must be above 0`);
  return numbers;
}

/** @type {Record<string, (knob: KnobSpec, value: unknown) => KnobValue>} */
const CHECKS = {
  float: (knob, value) => value === null && knob.default === null ? null : number(knob, value),
  int: whole,
  choice,
  scales: (knob, values) => few(knob, Array.isArray(values) ? [...new Set(values)] : values, 'factors'),
  weights,
};
