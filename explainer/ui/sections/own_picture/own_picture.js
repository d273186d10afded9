// Below the chips: what an answer about a photograph is worth, and a model that reads photographs. It
// is loaded by the model menu, which shows the progress and can stop it. Server function: offer.
import {make} from '../../../web/js/dom.js';
import {sightline} from '../../../web/js/state.js';

/**
 * Mount the offer.
 * @param {Pick<Context<{load: string}, {offer(request: RunCall): Promise<PhotographAdvice | Message>}>, 'element' | 'props' | 'server'>} context
 * @returns {void}
 */
export function mount({element, props, server}) {
  const root = /** @type {HTMLElement} */ (element.querySelector('.sl-own')), {now} = sightline;
  const text = make('p'), load = make('button', 'sl-model-load');
  let model = '';
  load.type = 'button';
  root.append(text, load);

  async function show() {
    const {run} = now;
    root.hidden = true;
    if (run === null) return;
    const offer = await server.offer({run}).catch(() => null);  // the page says elsewhere that the server is away
    if (run !== now.run || !offer || !('model' in offer) || offer.run !== run || !offer.text) return;
    model = offer.model;
    text.textContent = offer.text;
    load.textContent = props.load.replace('{model}', () => model);
    load.hidden = !model;
    root.hidden = false;
  }

  load.addEventListener('click', () => {
    const menu = /** @type {HTMLSelectElement | null} */ (document.querySelector('#sl-model'));
    if (!menu) return;
    menu.value = model;
    menu.dispatchEvent(new Event('change'));
    menu.scrollIntoView({block: 'nearest'});
  });
  sightline.on('run', show);
}
