// The sliders. props.spec comes from the methods' knobs; props.value and sightline.now.panel:
// {alphas, k, beta}, where alphas is a list of [factor, on] and beta is null while it is worked
// out by Eq. 9. Opacity and colours never leave the browser.
import {dial, snap, toggle} from './dial.js';
import {fill, make, partOf} from './dom.js';
import {addLayerDial} from './layer.js';
import {shades} from './shade.js';
import {sightline} from './state.js';
import {strengths} from './strengths.js';
import {tool} from './toolbar.js';

/** @type {(value: PanelValue) => PanelValue} */
const copyOf = ({alphas, k, beta}) => ({alphas: alphas.map(([factor, on]) => [factor, on]), k, beta});

/**
 * Mount the sliders.
 * @param {Pick<Context<{value: PanelValue, spec: PanelSpec, opacity: number, colours: Record<string, string>, layer: LayerWords, words: SlidersWords}>, 'element' | 'props'>} context
 * @returns {void}
 */
export function mount({element, props}) {
  const root = partOf(element, '.sl-panel'), spec = props.spec, says = props.words;
  root.setAttribute('aria-label', says.sliders);
  const state = copyOf(props.value);

  /** @type {PanelValue | null} */
  let sent = null;
  function send() {
    sent = {...sightline.now.panel, ...copyOf(state)};
    props.value = sent;
    sightline.set({panel: sent});
  }

  const scales = make('div', 'sl-scales'), widest = {...spec.scales};
  /** @type {(() => void)[]} */
  const limited = [];
  /** @type {(() => void)[]} */
  const adopted = [];
  state.alphas.forEach((pair, i) => {
    let wanted = pair[0];  // what the person chose, however far a model goes
    const part = dial({
      name: `alpha${i + 1}`, label: fill(says.scale, {sub: '₁₂₃₄₅₆₇₈₉'[i]}), says, bounds: spec.scales, value: pair[0],
      reset: spec.scales.defaults[i][0], title: spec.scales.meaning,
      changed: value => { pair[0] = wanted = snap(value ?? wanted, spec.scales); part.put(pair[0]); send(); },
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

  // On a phone the sliders lie behind one button; on larger screens the button is not shown.
  const button = tool(says.sliders, '', () => unfold(root.classList.contains('sl-panel-folded')));
  /** @type {(on: boolean) => void} */
  function unfold(on) {
    root.classList.toggle('sl-panel-folded', !on);
    button.setAttribute('aria-expanded', String(on));
  }
  button.classList.add('sl-panel-fold');
  unfold(false);

  const others = make('div', 'sl-others'), shared = strengths({spec, value: state, says, changed: send});
  others.append(...shared.boxes, ...shades(props.opacity, props.colours, says));
  root.append(button, scales, others);
  // Values that came from elsewhere: a link, a reset, another part of the page.
  sightline.on('panel', () => {
    const {panel} = sightline.now;
    if (panel === sent && sent) return;
    if (panel) {
      state.alphas.forEach((pair, i) => Object.assign(pair, panel.alphas[i]));
      Object.assign(state, {k: panel.k, beta: panel.beta});
      adopted.forEach(adopt => adopt());
      shared.adopt();
    }
    send();
  });
  addLayerDial(others, props);
}
