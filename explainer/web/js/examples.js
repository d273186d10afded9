// Thumbnails; choosing one fills in its picture and prompt.
/**
 * Mount the thumbnails of examples.
 * @param {Pick<Context, 'element' | 'props' | 'trigger'>} context
 * @returns {void}
 */
export function mount({element, props, trigger}) {
  const box = element.querySelector('.sl-examples');
  box.setAttribute('aria-label', props.words.list);
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
    button.addEventListener('click', () => {
      props.value = index;
      trigger('select', {index});
    });
    box.append(button);
  });
}
