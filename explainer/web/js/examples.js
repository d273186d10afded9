// Thumbnails; choosing one fills in its picture and prompt, or opens its answer. With props.greets
// the first is chosen by itself on a page that was asked for nothing else.
import {sightline} from './state.js';

/**
 * Mount the thumbnails of examples.
 * @param {Pick<Context, 'element' | 'props' | 'trigger'>} context
 * @returns {void}
 */
export function mount({element, props, trigger}) {
  const box = element.querySelector('.sl-examples');
  box.setAttribute('aria-label', props.words.list);

  function choose(index) {
    props.value = index;
    trigger('select', {index});
  }

  props.examples.forEach(({thumbnail, label, prompt}, index) => {
    const button = document.createElement('button'), picture = document.createElement('img');
    const name = document.createElement('span');
    button.type = 'button';
    button.className = 'sl-example';
    button.title = prompt;
    button.setAttribute('aria-label', `${label}: ${prompt}`);
    picture.src = thumbnail;
    picture.alt = '';
    name.textContent = label;
    button.append(picture, name);
    button.addEventListener('click', () => choose(index));
    box.append(button);
  });
  if (props.greets) sightline.on('greets', () => { if (sightline.now.greets) choose(0); });
}
