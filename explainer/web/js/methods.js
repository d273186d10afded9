// The menu of methods. props.methods: [{name, label, summary, asks}], those that ask the model
// last.
import {make} from './dom.js';
import {sightline} from './state.js';
import {check, menu} from './toolbar.js';

/**
 * Create the menu of methods.
 * @param {{name: string, label: string, summary: string, asks: boolean}[]} methods those that ask the model last
 * @param {ViewWords} text
 * @returns {HTMLElement}
 */
export function methodMenu(methods, text) {
  const rows = methods.map(({name, label, summary}) => {
    const row = check(label, summary, () => {
      const shown = methods.map(m => m.name).filter((_, i) => rows[i].input.checked);
      if (shown.length) sightline.set({methods: shown});
      else row.put(true);  // one has to stay
    });
    row.box.append(make('small', '', summary));
    row.input.value = name;
    return row;
  });
  sightline.on('methods', () => rows.forEach(row => row.put(sightline.now.methods.includes(row.input.value))));
  const first = methods.findIndex(method => method.asks), boxes = rows.map(row => row.box);
  if (first >= 0) boxes.splice(first, 0, make('p', 'sl-asking', text.asking));
  return menu(text.methods, text.methodsLong, ...boxes);
}
