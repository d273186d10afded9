// Formulas as MathML, which browsers draw and screen readers speak: ['mfrac', above, below] and
// so on.
import {fill, make} from '../dom.js';

const MATHML = 'http://www.w3.org/1998/Math/MathML';


/** @type {(part: Formula) => Element} */
function mathNode(part) {
  if (Array.isArray(part)) {
    const [name, ...inside] = part, node = document.createElementNS(MATHML, String(name));
    node.append(...inside.map(mathNode));
    return node;
  }
  const leaf = /^[\d.]+$/.test(part) ? 'mn' : /^\p{L}+$/u.test(part) ? 'mi' : part.includes(' ') ? 'mtext' : 'mo';
  const node = document.createElementNS(MATHML, leaf);
  node.textContent = part;
  return node;
}

/**
 * Formulas as nested lists, each with the number of its equation in the paper.
 * @type {Record<string, [string, ...Formula[]]>}
 */
export const FORMULAS = (() => {
  /** @type {(...parts: Formula[]) => Formula} */
  const row = (...parts) => ['mrow', ...parts];
  /** @type {(index: string, ...parts: Formula[]) => Formula} */
  const sum = (index, ...parts) => row(['munder', '∑', index], ...parts);
  const own = ['msub', 'A', 't'], hat = ['msub', ['mover', 'A', '^'], 't'], scale = row('(', 's', ')');
  const resized = row('Resize', '(', ['msup', 'A', scale], ')');
  /** @type {(a: Formula, b: Formula) => Formula} */
  const dot = (a, b) => row('⟨', a, ',', b, '⟩');
  const rest = ['msub', row('⌊', own, '−', 'β', hat, '⌋'), '+'];
  /** @type {(index: string, weight: Formula, map: Formula) => Formula} */
  const mean = (index, weight, map) => ['mfrac', sum(index, weight, map), sum(index, weight)];
  const unlike = row('(', '1', '−', ['msub', 'r', 'j'], ')');
  /** @type {(place: string) => Formula} */
  const top = place => row(['msub', 'top', 'k'], '(', place, ')');
  return {
    scale: ['4', ['msubsup', 'A', 'i', scale], '=', ['msub', 'W', 't'], '·', ['msubsup', 'z', 'i', scale]],
    fused: ['5', own, '=', mean('s', ['msub', 'w', 's'], resized)],
    fusedMax: ['5', own, '=', ['munder', 'max', 's'], resized],
    interference: ['8', hat, '=', mean('j', unlike, ['msub', 'A', 'j'])],
    interferenceOther: ['8', hat, '=', mean('j', ['msub', 'w', 'j'], ['msub', 'A', 'j'])],
    beta: ['9', 'β', '=', ['mfrac', dot(own, hat), dot(hat, hat)]],
    before: ['9', rest],
    after: ['9', ['msub', ['mover', 'A', '~'], 't'], '=', '𝒢', '(', rest, ')'],
    relevance: ['7', ['msub', 'r', 'j'], '=', 'RBO', '(', top('j'), ',', top('t'), ')'],
  };
})();

/**
 * Create a formula of the paper with its number.
 * @param {string} name
 * @param {string} equation text for its number
 * @returns {HTMLElement}
 */
export function formula(name, equation) {
  const [number, ...parts] = FORMULAS[name], box = make('div', 'sl-formula'), tag = make('span', 'sl-eq', `(${number})`);
  tag.title = fill(equation, {number});
  box.append(mathNode(['math', ['mrow', ...parts]]), tag);
  return box;
}
