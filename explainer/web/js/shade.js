// Opacity and colours of the maps; they never leave the browser.
import {dial} from './dial.js';
import {make} from './dom.js';
import {sightline} from './state.js';

/**
 * Create the controls of opacity and colours.
 * @param {number} first the opacity to begin with
 * @param {Record<string, string>} labels of the colour tables
 * @param {Words & DialOptions['says']} says
 * @returns {HTMLElement[]}
 */
export function shades(first, labels, says) {
  const opacity = dial({
    name: 'opacity', label: says.opacity, bounds: {low: 0, high: 1, step: .05}, value: first,
    reset: first, title: says.opacityLong, says,
    changed: value => sightline.set({opacity: value}),
  });
  sightline.on('opacity', () => {
    const value = sightline.now.opacity ?? first;
    opacity.put(value);
    document.documentElement.style.setProperty('--sl-heat', String(value));
  });
  const colours = make('div', 'sl-dial sl-colours'), choice = make('select', 'sl-choice');
  const name = make('label', 'sl-name', says.colours);
  name.htmlFor = choice.id = 'sl-colours';
  for (const [value, label] of Object.entries(labels)) choice.append(new Option(label, value));
  choice.addEventListener('change', () => sightline.set({colours: choice.value}));
  sightline.on('colours', () => { choice.value = sightline.now.colours ?? choice.value; });
  colours.append(name, choice);
  return [opacity.box, colours];
}
