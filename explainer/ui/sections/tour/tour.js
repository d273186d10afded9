// The offer of the tour: a button in the head of the page. It stands out until the tour was begun
// once in this browser. With `?tour=1` the tour begins by itself, as soon as there are maps to show.
import {make, partOf} from '../../../web/js/dom.js';
import {sightline} from '../../../web/js/state.js';

/**
 * Mount the button that begins the tour.
 * @param {Pick<Context<{words: TourWords}>, 'element' | 'props' | 'bring'>} context
 * @returns {void}
 */
export function mount(context) {
  const MEMORY = 'sightline-tour', {words} = context.props, {now} = sightline;
  const root = partOf(context.element, '.sl-tour'), button = make('button', 'sl-small'), said = make('span', 'sl-settings-said');
  let awaited = new URLSearchParams(location.search).get('tour') === '1';

  /** @type {(isNew: boolean) => void} */
  function offer(isNew) {
    button.textContent = isNew ? words.offer : words.again;
    button.classList.toggle('sl-tour-new', isNew);
  }

  async function begin() {
    try { localStorage.setItem(MEMORY, 'begun'); } catch { /* the browser allows no memory: it is offered again */ }
    offer(false);
    said.textContent = '';
    const part = await context.bring('tour_steps').catch(() => null);
    if (part) part.unfold(context);
    else said.textContent = words.unreachable;
  }

  function isKnown() {
    try {
      return localStorage.getItem(MEMORY) !== null;
    } catch { return false; }
  }

  button.type = 'button';
  button.title = words.title;
  button.addEventListener('click', begin);
  said.setAttribute('role', 'status');
  root.append(button, said);
  offer(!isKnown());
  sightline.on('entry', () => {
    if (!awaited || !now.entry) return;
    awaited = false;
    begin();
  });
}
