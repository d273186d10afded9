// The pictures of a run as thumbnails, one chosen; a bar under each says how strong the map is
// there.
import {along, childrenOf, fill, make, partOf, targetOf} from './dom.js';

/**
 * Create the thumbnails of a run's pictures.
 * @param {(index: number) => void} chosen
 * @param {ViewWords} words
 * @returns {{box: HTMLElement, show(images: BackdropImage[], index: number): void, mark(peaks: number[], images: BackdropImage[]): void}}
 */
export function strip(chosen, words) {
  const box = make('div', 'sl-strip');
  box.setAttribute('role', 'listbox');
  box.setAttribute('aria-label', words.pictures);
  box.hidden = true;

  /** @type {(picture: BackdropImage, index: number) => HTMLElement} */
  function item({thumbnail, label}, index) {
    const button = make('button', 'sl-shot'), image = make('img'), mark = make('span', 'sl-peak');
    button.type = 'button';
    button.dataset.image = String(index);
    button.title = label;
    button.setAttribute('role', 'option');
    image.src = thumbnail ?? '';
    image.alt = '';
    mark.append(make('i'));
    button.append(image, mark, make('span', 'sl-shot-name', label));
    return button;
  }

  /** @type {(index: number, focus: boolean) => void} */
  function choose(index, focus) {
    childrenOf(box).forEach((button, i) => {
      button.tabIndex = i === index ? 0 : -1;
      button.setAttribute('aria-selected', String(i === index));
    });
    if (!focus) return;
    childrenOf(box)[index].focus();
    chosen(index);
  }

  box.addEventListener('click', event => {
    const button = targetOf(event).closest('.sl-shot');
    if (button) choose(Number(button.dataset.image), true);
  });
  box.addEventListener('keydown', event => {
    const to = along(event, Number(targetOf(event).dataset.image), box.children.length - 1);
    if (to !== null) choose(to, true);
  });

  return {
    box,
    show(images, index) {
      box.hidden = images.length < 2;
      box.replaceChildren(...(box.hidden ? [] : images.map(item)));
      if (!box.hidden) choose(index, false);
    },
    mark(peaks, images) {
      childrenOf(box).forEach((button, i) => {
        const {label} = images[i], peak = peaks[i];  // none without a map
        partOf(button, 'i').style.width = `${Math.round(100 * (peak ?? 0))}%`;
        button.setAttribute('aria-label', peak === undefined ? label : fill(words.atMost, {label, peak: peak.toFixed(2)}));
      });
    },
  };
}
