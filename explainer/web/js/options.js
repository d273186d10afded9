// The knobs without sliders, from the methods' declarations. props.value and
// sightline.now.options: {method: {knob: value}} of the methods shown.
import {make, partOf} from './dom.js';
import {sightline} from './state.js';

/**
 * Mount the knobs without sliders.
 * @param {Pick<Context<OptionProps & {value: OptionValue, title: string, words: OptionsWords}>, 'element' | 'props'>} context
 * @returns {void}
 */
export function mount({element, props}) {
  const root = make('div', 'sl-options'), fold = partOf(element, '.sl-fold');
  const spec = props.spec.map(method => ({...method, knobs: method.knobs.map(number => props.knobs[number])}));
  /** @type {OptionValue} */
  const state = Object.fromEntries(spec.map(method => [method.name, Object.fromEntries(method.knobs.map(knob => [knob.name, knob.default]))]));
  /** @type {Record<string, HTMLInputElement | HTMLSelectElement>} */
  const fields = {};
  /** @type {Record<string, HTMLElement>} */
  const sections = {};
  /** @type {OptionValue | null} */
  let sent = null;
  fold.append(make('summary', '', props.title), root);

  /** @type {(name: string, normalisation: string) => boolean} */
  function shares(name, normalisation) {
    const knobs = spec.find(method => method.name === name)?.knobs ?? [];
    return knobs.find(knob => knob.name === 'normalisation')?.choices?.includes(normalisation) ?? false;
  }

  // What one method is asked with: its own knobs, unless all methods share the normalisation.
  /** @type {(name: string) => Record<string, OptionScalar>} */
  function asked(name) {
    const {normalisation} = sightline.now, own = {...state[name]};
    return shares(name, normalisation) ? {...own, normalisation} : own;
  }

  function send() {
    sent = Object.fromEntries(sightline.now.methods.map(name => [name, asked(name)]));
    props.value = sent;
    sightline.set({options: sent});
  }

  /** @type {(label: string, control: HTMLElement, meaning: string) => HTMLElement} */
  function field(label, control, meaning) {
    const box = make('label', 'sl-field');
    box.title = meaning;
    box.append(make('span', 'sl-name', label), control);
    return box;
  }

  /** @type {(choices: string[]) => HTMLSelectElement} */
  function select(choices) {
    const node = make('select', 'sl-choice');
    node.append(...choices.map(choice => new Option(choice, choice)));
    return node;
  }

  /** @type {(knob: OptionKnob) => HTMLInputElement} */
  function number({low, high, step}) {
    return Object.assign(make('input', 'sl-number'), {type: 'number', min: String(low), max: String(high), step: String(step)});
  }

  // A value in its field; the browser shows nothing for null.
  /** @type {(method: string, knob: string, value: OptionScalar) => void} */
  function put(method, knob, value) { fields[`${method}.${knob}`].value = value === null ? '' : String(value); }

  /** @type {(method: string, knob: OptionKnob) => HTMLElement} */
  function control(method, knob) {
    const node = knob.choices ? select(knob.choices) : number(knob);
    fields[node.name = `${method}.${knob.name}`] = node;
    put(method, knob.name, state[method][knob.name]);
    node.addEventListener('change', () => {
      const value = node instanceof HTMLInputElement ? node.valueAsNumber : node.value;
      state[method][knob.name] = Number.isNaN(value) ? knob.default : value;
      put(method, knob.name, state[method][knob.name]);
      send();
    });
    return field(knob.name.replaceAll('_', ' '), node, knob.meaning);
  }

  /** @type {(method: Omit<MethodOptions, 'knobs'> & {knobs: OptionKnob[]}) => HTMLElement} */
  function presets(method) {
    const node = select(Object.keys(method.presets));
    node.name = `${method.name}.preset`;
    node.addEventListener('change', () => {
      for (const knob of method.knobs) {
        const value = method.presets[node.value][knob.name] ?? knob.default;
        state[method.name][knob.name] = value;
        put(method.name, knob.name, value);
      }
      send();
    });
    return field(props.words.preset, node, props.words.presetLong);
  }

  for (const method of spec) {
    const box = make('section', 'sl-method'), more = make('details', 'sl-more');
    const plain = method.knobs.filter(knob => !knob.advanced), fine = method.knobs.filter(knob => knob.advanced);
    box.append(make('h3', '', method.label), make('p', 'sl-summary', `${method.summary} (${method.paper})`));
    const grid = make('div', 'sl-fields'), deep = make('div', 'sl-fields');
    if (Object.keys(method.presets).length > 1) grid.append(presets(method));
    grid.append(...plain.map(knob => control(method.name, knob)));
    box.append(grid);
    if (fine.length) {
      deep.append(...fine.map(knob => control(method.name, knob)));
      more.append(make('summary', '', props.words.open), deep);
      box.append(more);
    }
    sections[method.name] = box;
  }

  if (!sightline.now.methods.length) sightline.set({methods: Object.keys(props.value)});
  sightline.on('methods normalisation', () => {
    const {methods, normalisation} = sightline.now;
    root.replaceChildren(...methods.map(name => sections[name]));
    for (const [name, node] of Object.entries(fields)) {
      const [method, knob] = name.split('.');
      if (knob === 'normalisation') node.disabled = shares(method, normalisation);
    }
    send();
  });
  // Values that came from elsewhere: a link, a reset.
  sightline.on('options', () => {
    const {options} = sightline.now;
    if (options === sent || !options) return;
    for (const [method, knobs] of Object.entries(options)) {
      Object.assign(state[method], knobs);
      for (const [knob, value] of Object.entries(knobs)) put(method, knob, value);
    }
    sightline.set({methods: Object.keys(options)});
    send();
  });
}
