// The sliders. props.spec comes from the methods' knobs; props.value and sightline.now.panel:
// {alphas, k, beta}, where alphas is a list of [factor, on] and beta is null while it is worked
// out by Eq. 9. Opacity and colours never leave the browser.
import {dial, snap, toggle} from './dial.js';
import {fill, make} from './dom.js';
import {addLayerDial} from './layer.js';
import {shades} from './shade.js';
import {sightline} from './state.js';

/**
 * Mount the sliders.
 * @param {Pick<Context, 'element' | 'props'>} context
 * @returns {void}
 */
export function mount({element, props}) {
  const root = element.querySelector('.sl-panel'), spec = props.spec, says = props.words;
  root.setAttribute('aria-label', says.sliders);
  const state = {alphas: props.value.alphas.map(pair => [...pair]), k: props.value.k, beta: props.value.beta};

  let sent = null;
  function send() {
    sent = {...sightline.now.panel, alphas: state.alphas.map(pair => [...pair]), k: state.k, beta: state.beta};
    props.value = sent;
    sightline.set({panel: sent});
  }

  const scales = make('div', 'sl-scales'), widest = {...spec.scales}, limited = [], adopted = [];
  state.alphas.forEach((pair, i) => {
    let wanted = pair[0];  // what the person chose, however far a model goes
    const part = dial({
      name: `alpha${i + 1}`, label: fill(says.scale, {sub: '₁₂₃₄₅₆₇₈₉'[i]}), says, bounds: spec.scales, value: pair[0],
      reset: spec.scales.defaults[i][0], title: spec.scales.meaning,
      changed: value => { pair[0] = wanted = snap(value, spec.scales); part.put(pair[0]); send(); },
    });
    limited.push(() => { part.limit(); part.put(pair[0] = snap(wanted, spec.scales)); });
    const set = toggle(part, pair[1], fill(says.use, {number: i + 1}), on => { pair[1] = on; send(); });
    adopted.push(() => {
      wanted = pair[0];
      part.put(pair[0]);
      set(pair[1]);
    });
    scales.append(part.box);
  });

  // Factors that the chosen model cannot be read at are not offered; the page asks with what is left.
  sightline.on('model', () => {
    const {low = widest.low, high = widest.high, why = ''} = sightline.now.model?.scales ?? {};
    spec.scales.low = Math.max(low, widest.low);
    spec.scales.high = Math.min(high, widest.high);
    scales.title = why;
    limited.forEach(limit => limit());
    send();
  });

  const others = make('div', 'sl-others');
  const k = dial({
    name: 'k', label: says.k, says, bounds: spec.k, value: state.k, reset: spec.k.default,
    title: spec.k.meaning, changed: value => { state.k = value; send(); },
  });

  let auto = spec.beta.default;  // what Eq. 9 gave last
  const beta = dial({
    name: 'beta', label: says.beta, says, bounds: spec.beta, value: state.beta ?? auto, reset: null,
    title: spec.beta.meaning,
    changed: value => { setAuto(value === null); beta.put(value ?? auto); state.beta = value; send(); },
  });
  const setAuto = toggle(beta, state.beta === null, says.autoLong, on => {
    state.beta = on ? null : snap(auto, spec.beta);
    beta.put(state.beta ?? auto);
    send();
  });
  beta.box.classList.add('sl-auto');
  beta.head.insertBefore(make('span', 'sl-hint', says.auto), beta.head.children[2]);
  sightline.on('beta', () => {
    auto = Number((sightline.now.beta ?? auto).toFixed(2));
    if (state.beta === null) beta.put(auto);
  });

  others.append(k.box, beta.box, ...shades(props.opacity, props.colours, says));
  root.append(scales, others);
  // Values that came from elsewhere: a link, a reset, another part of the page.
  sightline.on('panel', () => {
    const {panel} = sightline.now;
    if (panel === sent && sent) return;
    if (panel) {
      state.alphas.forEach((pair, i) => Object.assign(pair, panel.alphas[i]));
      Object.assign(state, {k: panel.k, beta: panel.beta});
      adopted.forEach(adopt => adopt());
      k.put(state.k);
      setAuto(state.beta === null);
      beta.put(state.beta ?? auto);
    }
    send();
  });
  addLayerDial(others, props);
}
