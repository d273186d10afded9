// The knobs without sliders, from the methods' declarations. props.value and
// sightline.now.options: {method: {knob: value}} of the methods shown.
import {make} from './dom.js';
import {sightline} from './state.js';

/**
 * Mount the knobs without sliders.
 * @param {Pick<Context, 'element' | 'props'>} context
 * @returns {void}
 */
export function mount({element, props}) {
  const root = make('div', 'sl-options'), fold = element.querySelector('.sl-fold');
  /** @type {any[]} */
  const spec = props.spec.map(method => ({...method, knobs: method.knobs.map(number => props.knobs[number])}));
  const state = Object.fromEntries(spec.map(method => [method.name, defaults(method)]));
  const fields = {}, sections = {};
  let sent = null;
  fold.append(make('summary', '', props.label), root);

  function defaults({knobs}) { return Object.fromEntries(knobs.map(knob => [knob.name, knob.default])); }

  function shares(name, normalisation) {
    const {knobs} = spec.find(method => method.name === name);
    return knobs.find(knob => knob.name === 'normalisation')?.choices.includes(normalisation);
  }

  // What one method is asked with: its own knobs, unless all methods share the normalisation.
  function asked(name) {
    const {normalisation} = sightline.now, own = {...state[name]};
    return shares(name, normalisation) ? {...own, normalisation} : own;
  }

  function send() {
    sent = Object.fromEntries(sightline.now.methods.map(name => [name, asked(name)]));
    props.value = sent;
    sightline.set({options: sent});
  }

  function field(label, control, meaning) {
    const box = make('label', 'sl-field');
    box.title = meaning;
    box.append(make('span', 'sl-name', label), control);
    return box;
  }

  function select(choices) {
    const node = make('select', 'sl-choice');
    node.append(...choices.map(choice => new Option(choice, choice)));
    return node;
  }

  function number({low, high, step}) {
    return Object.assign(make('input', 'sl-number'), {type: 'number', min: low, max: high, step});
  }

  function control(method, knob) {
    const node = knob.kind === 'choice' ? select(knob.choices) : number(knob);
    node.name = `${method}.${knob.name}`;
    node.value = state[method][knob.name];
    node.addEventListener('change', () => {
      const value = knob.kind === 'choice' ? node.value : /** @type {HTMLInputElement} */ (node).valueAsNumber;
      state[method][knob.name] = Number.isNaN(value) ? knob.default : value;
      node.value = state[method][knob.name];
      send();
    });
    fields[`${method}.${knob.name}`] = node;
    return field(knob.name.replaceAll('_', ' '), node, knob.meaning);
  }

  function presets(method, knobs) {
    const node = select(Object.keys(method.presets));
    node.name = `${method.name}.preset`;
    node.addEventListener('change', () => {
      for (const knob of knobs) {
        const value = method.presets[node.value][knob.name] ?? knob.default;
        state[method.name][knob.name] = fields[`${method.name}.${knob.name}`].value = value;
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
    if (Object.keys(method.presets).length > 1) grid.append(presets(method, method.knobs));
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
      for (const [knob, value] of Object.entries(knobs)) fields[`${method}.${knob}`].value = value;
    }
    sightline.set({methods: Object.keys(options)});
    send();
  });
}
