// The sliders of k and beta, which several methods share.
import {dial, snap, toggle} from './dial.js';
import {make} from './dom.js';
import {sightline} from './state.js';

/**
 * Create the sliders of k and beta; beta is null while it is worked out by Eq. 9.
 * @param {object} options
 * @param {{k: SliderBounds, beta: SliderBounds}} options.spec
 * @param {{k: number, beta: number | null}} options.value changed in place
 * @param {SlidersWords} options.says
 * @param {() => void} options.changed hears what the person chose
 * @returns {{boxes: HTMLElement[], adopt(): void}} `adopt` shows what `value` holds
 */
export function strengths({spec, value, says, changed}) {
  const k = dial({
    name: 'k', label: says.k, says, bounds: spec.k, value: value.k, reset: spec.k.default,
    title: spec.k.meaning, changed: next => { value.k = next ?? spec.k.default; changed(); },
  });
  let auto = spec.beta.default;  // what Eq. 9 gave last
  const beta = dial({
    name: 'beta', label: says.beta, says, bounds: spec.beta, value: value.beta ?? auto, reset: null,
    title: spec.beta.meaning,
    changed: next => { setAuto(next === null); beta.put(next ?? auto); value.beta = next; changed(); },
  });
  const setAuto = toggle(beta, value.beta === null, says.autoLong, on => {
    value.beta = on ? null : snap(auto, spec.beta);
    beta.put(value.beta ?? auto);
    changed();
  });
  beta.box.classList.add('sl-auto');
  beta.head.insertBefore(make('span', 'sl-hint', says.auto), beta.head.children[2]);
  sightline.on('beta', () => {
    auto = Number((sightline.now.beta ?? auto).toFixed(2));
    if (value.beta === null) beta.put(auto);
  });
  return {
    boxes: [k.box, beta.box],
    adopt() {
      k.put(value.k);
      setAuto(value.beta === null);
      beta.put(value.beta ?? auto);
    },
  };
}
