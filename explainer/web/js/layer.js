// The decoder layer that maps are read from, for runs that hold several. It goes into every
// subject as {layer}; the last layer is what is meant without.
import {dial} from './dial.js';
import {fill} from './dom.js';
import {sightline} from './state.js';

/**
 * Add the slider of the decoder layer that maps are read from.
 * @param {HTMLElement} place
 * @param {{layer: {label: string, meaning: string}, words: DialOptions['says']}} props
 * @returns {void}
 */
export function addLayerDial(place, {layer, words}) {
  const depth = dial({
    name: 'layer', label: layer.label, says: words, bounds: {low: 1, high: 1, step: 1}, value: 1, reset: null,
    title: layer.meaning, changed: lookAt,
  });

  // Look at the recorded layer that is nearest to a number; null stands for the last one.
  /** @type {(number: number | null) => void} */
  function lookAt(number) {
    const {layers, extra} = sightline.now, last = layers.at(-1);
    if (last === undefined) return;
    const nearest = layers.reduce((a, b) => Math.abs(b - (number ?? last)) < Math.abs(a - (number ?? last)) ? b : a, last);
    const others = {...extra};
    delete others.layer;
    depth.put(nearest);
    sightline.set({extra: nearest === last ? others : {...others, layer: nearest}});
  }

  place.append(depth.box);
  sightline.on('layers', () => {
    const {layers} = sightline.now;
    depth.box.hidden = layers.length < 2;
    if (!layers.length) return;
    depth.text.textContent = fill(layer.label, {all: layers.at(-1)});
    for (const input of depth.box.querySelectorAll('input')) Object.assign(input, {min: layers[0], max: layers.at(-1)});
    lookAt(sightline.now.extra.layer ?? null);
  });
}
