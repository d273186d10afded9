// Opacity and colours of the maps; they never leave the browser.
import {dial} from './dial.js';
import {make} from './dom.js';
import {sightline} from './state.js';

// A menu for a value of the page's state.
/** @type {(key: 'cover' | 'colours', label: string, labels: Record<string, string>, title: string) => HTMLElement} */
function menu(key, label, labels, title) {
  const box = make('div', 'sl-dial sl-colours'), choice = make('select', 'sl-choice'), name = make('label', 'sl-name', label);
  name.htmlFor = choice.id = `sl-${key}`;
  box.title = title;
  for (const [value, text] of Object.entries(labels)) choice.append(new Option(text, value));
  choice.addEventListener('change', () => sightline.set({[key]: choice.value}));
  sightline.on(key, () => { choice.value = sightline.now[key] ?? choice.value; });
  box.append(name, choice);
  return box;
}

/**
 * Create the controls of opacity and colours.
 * @param {number} first the opacity to begin with
 * @param {Record<string, string>} labels of the colour tables
 * @param {ShadesWords} says
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
  return [opacity.box, menu('cover', says.cover, says.covers, says.coverLong), menu('colours', says.colours, labels, '')];
}
