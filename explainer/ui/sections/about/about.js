// Facts of the chosen model, in the part that explains the page.
import {partOf} from '../../../web/js/dom.js';
import {sightline} from '../../../web/js/state.js';

/**
 * Mount the facts of the chosen model.
 * @param {Pick<Context, 'element'>} context
 * @returns {void}
 */
export function mount({element}) {
  const box = partOf(element, '.sl-details');
  sightline.on('model', () => { box.textContent = sightline.now.model?.details ?? ''; });
}
