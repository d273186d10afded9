// Two lists of guesses side by side, with a line between the places of each guess that both hold.
import {fill, make, targetOf} from '../dom.js';

const SVG = 'http://www.w3.org/2000/svg', ROW = 26, FEW = 10;

/**
 * Create two lists of guesses with lines between those that both hold.
 * @param {{all: string, few: string}} words what the button says
 * @returns {{box: HTMLElement, show(next: GuessPair | null): void}}
 */
export function guessLists(words) {
  const box = make('div', 'sl-guesses'), links = document.createElementNS(SVG, 'svg'), more = make('button', 'sl-more-guesses');
  const sides = [0, 1].map(() => ({box: make('div', 'sl-guess-side'), title: make('h4'), list: make('ol', 'sl-guess-list')}));
  /** @type {GuessPair | null} */
  let pair = null;
  let all = false;
  more.type = 'button';
  links.setAttribute('class', 'sl-links');
  links.setAttribute('aria-hidden', 'true');
  links.setAttribute('preserveAspectRatio', 'none');
  for (const side of sides) side.box.append(side.title, side.list);
  box.append(sides[0].box, links, sides[1].box, more);

  // The rank on the left names a link: one row on each side, and the line between them.
  /** @type {(side: number, row: Guess, i: number) => string} */
  const link = (side, row, i) => row.other === null ? '' : String(side ? row.other : i + 1);

  /** @type {(gain: number) => string} */
  const worth = gain => gain < .0005 ? '' : `+${gain.toFixed(3)}`;

  /** @type {(side: number, row: Guess, i: number, shown: number) => HTMLElement} */
  function item(side, row, i, shown) {
    const node = make('li', 'sl-guess'), rank = make('span', 'sl-rank', i + 1), text = make('span', 'sl-guess-text', row.text);
    rank.setAttribute('aria-hidden', 'true');
    text.dir = 'auto';
    node.append(rank, text);
    if (row.other === null) return node;
    node.dataset.link = link(side, row, i);
    if (!side) node.tabIndex = 0;  // its partner follows the focus
    node.setAttribute('aria-label', row.label);
    node.title = row.label;
    node.append(make('span', 'sl-gain', row.other > shown ? `→ ${row.other}` : side ? '' : worth(row.gain)));
    return node;
  }

  /** @type {(other: number, gain: number, i: number, strongest: number) => SVGPathElement} */
  function line(other, gain, i, strongest) {
    const path = document.createElementNS(SVG, 'path'), from = (i + .5) * ROW, to = (other - .5) * ROW;
    path.setAttribute('d', `M0 ${from} C40 ${from} 60 ${to} 100 ${to}`);
    path.setAttribute('stroke-width', String(1 + 4 * gain / strongest));
    return path;
  }

  // The beginning of a line whose other end is further down than the lists go.
  /** @type {(rank: number, gain: number, strongest: number, side: number, height: number) => SVGPathElement} */
  function stub(rank, gain, strongest, side, height) {
    const path = document.createElementNS(SVG, 'path'), from = (rank - .5) * ROW, x = side ? 100 : 0, to = side ? 72 : 28;
    path.setAttribute('d', `M${x} ${from} C${side ? 84 : 16} ${from} ${to} ${from} ${to} ${height}`);
    path.setAttribute('stroke-width', String(1 + 4 * gain / strongest));
    path.setAttribute('class', 'sl-stub');
    return path;
  }

  /** @type {(pair: GuessPair) => void} */
  function draw(pair) {
    const k = pair.lists[0].rows.length, shown = all ? k : Math.min(FEW, k);
    const strongest = Math.max(...pair.lists[0].rows.map(row => row.gain)) || 1;
    pair.lists.forEach(({title, rows}, side) => {
      sides[side].title.textContent = title;
      sides[side].list.replaceChildren(...rows.slice(0, shown).map((row, i) => item(side, row, i, shown)));
    });
    const height = shown * ROW;
    links.setAttribute('viewBox', `0 0 100 ${height}`);
    links.style.height = `${height}px`;
    links.replaceChildren(...pair.lists.flatMap(({rows}, side) => rows.slice(0, shown).flatMap((row, i) => {
      if (row.other === null || (side && row.other <= shown)) return [];
      const path = row.other <= shown ? line(row.other, row.gain, i, strongest) : stub(i + 1, row.gain, strongest, side, height);
      path.dataset.link = link(side, row, i);
      return [path];
    })));
    more.hidden = k <= FEW;
    more.textContent = fill(all ? words.few : words.all, {few: FEW, all: k});
  }

  /** @type {(event: Event) => void} */
  function light(event) {
    const name = event.type === 'mouseleave' || event.type === 'focusout' ? '' : targetOf(event).closest('[data-link]')?.dataset.link ?? '';
    for (const node of box.querySelectorAll('[data-link]')) node.classList.toggle('sl-lit', node.dataset.link === name);
    box.classList.toggle('sl-lighting', name !== '');
  }
  for (const name of ['mouseover', 'mouseleave', 'focusin', 'focusout']) box.addEventListener(name, light);
  more.addEventListener('click', () => { all = !all; if (pair) draw(pair); });

  return {box, show(next) { pair = next; box.hidden = !pair; if (next) draw(next); }};
}
