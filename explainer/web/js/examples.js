// Thumbnails; choosing one fills in its picture and prompt, or opens its answer. With props.greets
// the first is chosen by itself on a page that was asked for nothing else.
import {make, partOf} from './dom.js';
import {sightline} from './state.js';

/**
 * Mount the thumbnails of examples.
 * @param {Pick<Context<{value: number | null, examples: Thumbnail[], words: ExamplesWords, greets?: boolean}>, 'element' | 'props' | 'trigger'>} context
 * @returns {void}
 */
export function mount({element, props, trigger}) {
  const box = partOf(element, '.sl-examples');
  const {examples} = props;
  box.setAttribute('aria-label', props.words.list);

  /** @type {(index: number) => void} */
  function choose(index) {
    props.value = index;
    trigger('select', {index});
  }

  examples.forEach(({thumbnail, label, prompt}, index) => {
    const button = make('button', 'sl-example'), picture = make('img');
    button.type = 'button';
    button.title = prompt;
    button.setAttribute('aria-label', `${label}: ${prompt}`);
    picture.src = thumbnail;
    picture.alt = '';
    button.append(picture, make('span', '', label));
    button.addEventListener('click', () => choose(index));
    box.append(button);
  });
  if (props.greets) {
    sightline.on('greets', () => {
      if (!sightline.now.greets) return;
      sightline.set({greeting: true});
      choose(0);
    });
  }
}
