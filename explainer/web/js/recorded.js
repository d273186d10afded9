// The sliders of a run that no model can add to: a switch and a weight for each recorded scale, k
// and beta, and the layer if it holds several. props.spec: bounds of `weights`, `k` and `beta`;
// props.value as sightline.now.panel.
import {dial, toggle} from './dial.js';
import {fill, make, partOf} from './dom.js';
import {addLayerDial} from './layer.js';
import {sightline} from './state.js';
import {strengths} from './strengths.js';

/**
 * Mount the sliders.
 * @param {Pick<Context<{value: PanelValue, spec: Required<PanelSpec>, words: FileSlidersWords, layer: LayerWords}>, 'element' | 'props'>} context
 * @returns {void}
 */
export function mount({element, props}) {
  const root = partOf(element, '.sl-panel'), {spec, words: says} = props, scales = make('div', 'sl-scales');
  const value = structuredClone(props.value);
  const weights = value.weights ?? value.alphas.map(() => 1), state = {...value, weights};
  /** @type {PanelValue | null} */
  let sent = null;
  const send = () => sightline.set({panel: sent = structuredClone(state)});

  const dials = state.alphas.map(([alpha, on], i) => {
    const part = dial({
      name: `weight${i + 1}`, label: fill(says.weight, {alpha}), says, bounds: spec.weights, value: weights[i], reset: 1,
      title: spec.weights.meaning, changed: value => { weights[i] = value ?? 1; send(); },
    });
    toggle(part, on, fill(says.useScale, {alpha}), wanted => { state.alphas[i][1] = wanted; send(); });
    scales.append(part.box);
    return part;
  });
  const others = make('div', 'sl-others');
  others.append(...strengths({spec, value: state, says, changed: send}).boxes);
  root.prepend(scales, others);
  // The largest of several scales has no weights.
  sightline.on('options', () => {
    const fused = Object.values(sightline.now.options ?? {}).flatMap(knobs => knobs.fuse ?? []);
    const off = fused.length > 0 && fused.every(how => how === 'max');
    for (const {box} of dials) for (const input of box.querySelectorAll('.sl-range, .sl-number')) input.toggleAttribute('disabled', off);
  });
  send();
  // Weights that another part of the page has set.
  sightline.on('panel', () => {
    const {panel} = sightline.now;
    if (!panel || panel === sent) return;
    dials.forEach((part, i) => part.put(weights[i] = panel.weights?.[i] ?? 1));
    sent = panel;
  });
  addLayerDial(others, props);
}
