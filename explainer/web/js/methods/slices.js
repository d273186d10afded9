// Work that takes longer than a frame, in slices: who does it keeps what is done, and begins again
// where it stopped.

let end = Infinity;

/** Thrown where the time of a slice is over; what was done is kept. */
export class Unfinished extends Error {}

/**
 * Run a function that may stop with `Unfinished` after a while.
 * @template T
 * @param {number} milliseconds
 * @param {() => T} act
 * @returns {T}
 */
export function within(milliseconds, act) {
  end = performance.now() + milliseconds;
  try {
    return act();
  } finally {
    end = Infinity;
  }
}

/**
 * Return the largest of values that take long to compute, one in each slice at least.
 * @param {{next: number, most: number}} kept what is known already; changed
 * @param {number} count
 * @param {(i: number) => number} valueAt
 * @returns {number}
 */
export function largestInSlices(kept, count, valueAt) {
  while (kept.next < count) {
    kept.most = Math.max(kept.most, valueAt(kept.next));
    kept.next++;
    if (kept.next < count && performance.now() > end) throw new Unfinished();
  }
  return kept.most;
}
