// Arithmetic in the order and with the ties of numpy: where a result is compared with a bound,
// another order would fall on the other side of it.
const BLOCK = 128;

/**
 * Add numbers as `numpy.add.reduce` does along contiguous values.
 * @param {ArrayLike<number>} values
 * @param {(value: number) => number} [round] to the precision of the sum, by default that of float64
 * @param {number} [from]
 * @param {number} [count]
 * @returns {number}
 */
export function sum(values, round = value => value, from = 0, count = values.length) {
  if (count < 8) {
    let total = 0;
    for (let i = from; i < from + count; i++) total = round(total + values[i]);
    return total;
  }
  if (count > BLOCK) {
    let half = count >> 1;
    half -= half % 8;
    return round(sum(values, round, from, half) + sum(values, round, from + half, count - half));
  }
  const r = Array.from({length: 8}, (_, i) => values[from + i]), whole = count - count % 8;
  for (let at = 8; at < whole; at += 8) for (let i = 0; i < 8; i++) r[i] = round(r[i] + values[from + at + i]);
  const pairs = [0, 2, 4, 6].map(i => round(r[i] + r[i + 1]));
  let total = round(round(pairs[0] + pairs[1]) + round(pairs[2] + pairs[3]));
  for (let i = whole; i < count; i++) total = round(total + values[from + i]);
  return total;
}

/**
 * Round to the nearest whole number, halves to the even one.
 * @param {number} value
 * @returns {number}
 */
export function roundEven(value) {
  const low = Math.floor(value);
  if (value - low !== .5) return Math.round(value);
  return low % 2 ? low + 1 : low;
}
