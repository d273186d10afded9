// How maps share the screen of a presentation.

const SHARES = Array.from({length: 13}, (_, i) => .4 + .05 * i);  // of the large map's width, for the small ones
const WORTH = 1.25;  // maps of one size are easier to compare, so a large one has to cover so much more

/** @typedef {{columns: number, down: number, across: number, large: number, small: number}} Arrangement */

/**
 * Choose the arrangement in which maps of one shape are largest: rows of one size, or the first map large and the others in
 * a column beside it or in a row below it.
 * @param {number} count of maps
 * @param {number} ratio width of a map / its height
 * @param {{width: number, height: number, around: number, gap: number}} room in pixels; `around` is the height of what
 *   stands above and below a map, `gap` what lies between two
 * @returns {Arrangement} the columns of a grid; the rows `down` and columns `across` that the first map takes in it; widths in pixels
 */
export function arrange(count, ratio, {width, height, around, gap}) {
  const others = count - 1;
  /** @type {(n: number, size: number) => number} */
  const each = (n, size) => (size - (n - 1) * gap) / n;
  /** @type {Arrangement[]} */
  const rows = Array.from({length: count}, (_, i) => {
    const columns = i + 1, wide = Math.min(each(columns, width), ratio * (each(Math.ceil(count / columns), height) - around));
    return {columns, down: 1, across: 1, large: wide, small: wide};
  });
  /** @type {(share: number, most: number[]) => {large: number, small: number}} */
  const sizes = (share, most) => ({large: Math.min(...most), small: share * Math.min(...most)});
  /** @type {Arrangement[]} */
  const leading = others < 1 ? [] : SHARES.flatMap(share => [
    {columns: 2, down: others, across: 1,
      ...sizes(share, [(width - gap) / (1 + share), ratio * (height - around), ratio * (each(others, height) - around) / share])},
    {columns: others, down: 1, across: others,
      ...sizes(share, [width, each(others, width) / share, ratio * (height - gap - 2 * around) / (1 + share)])},
  ]);
  /** @type {(one: Arrangement) => number} */
  const area = ({large, small}) => large > 0 ? large ** 2 + others * small ** 2 : 0;
  /** @type {(list: Arrangement[]) => Arrangement} */
  const best = list => list.reduce((a, b) => area(b) > area(a) ? b : a);
  const even = best(rows), led = best([even, ...leading]);
  return area(led) > WORTH * area(even) ? led : even;
}
